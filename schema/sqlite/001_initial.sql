-- The first schema. Names compare as bytes; name_key is the name with ASCII letters in lower case.
-- No foreign keys across what one would shard by: the rules (libchat/store/rules_*.c) keep rows together.

CREATE TABLE user (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL UNIQUE,
  hash TEXT NOT NULL,
  directs INTEGER NOT NULL DEFAULT 0 -- direct conversations that have begun
);

-- A device of a user's, its token, and its place: who is online where.
CREATE TABLE device (
  user INTEGER NOT NULL,
  device TEXT NOT NULL,
  made_ms INTEGER NOT NULL, -- tells it from another of that name that was removed
  since_ms INTEGER NOT NULL,
  token BLOB UNIQUE, -- its hash; NULL: none holds
  expires_ms INTEGER NOT NULL DEFAULT 0,
  node TEXT, -- where it is online; NULL: nowhere
  session INTEGER NOT NULL DEFAULT 0, -- and by which session
  PRIMARY KEY (user, device)
) WITHOUT ROWID;
CREATE INDEX device_node ON device (node, session) WHERE node IS NOT NULL;

CREATE TABLE node (
  name TEXT NOT NULL PRIMARY KEY,
  started_ms INTEGER NOT NULL, -- tells one life of the node from another
  beat_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE friendship (
  user INTEGER NOT NULL,
  other INTEGER NOT NULL,
  state INTEGER NOT NULL, -- enum chat_friend_state, seen from user
  PRIMARY KEY (user, other)
) WITHOUT ROWID;

-- A group's id is its conversation's. low and high are the two users of a direct one, and low_sent and high_sent what each of them wrote
-- last there, and so has read: a send changes this row alone. blocked says of the two what friendship says, where a send reads it.
CREATE TABLE conversation (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  low INTEGER,
  high INTEGER,
  last_seq INTEGER NOT NULL DEFAULT 0,
  last_ms INTEGER NOT NULL DEFAULT 0,
  epoch INTEGER NOT NULL DEFAULT 1,
  low_sent INTEGER NOT NULL DEFAULT 0,
  high_sent INTEGER NOT NULL DEFAULT 0,
  blocked INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX conversation_pair ON conversation (low, high) WHERE low IS NOT NULL;

-- Conversations with their ends: with MySQL these are elsewhere, and who wrote the last message has not always that in member.read_seq.
CREATE VIEW talk AS SELECT *, 0 AS writer FROM conversation;

CREATE TABLE chat_group (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  open INTEGER NOT NULL,
  members INTEGER NOT NULL,
  joins INTEGER NOT NULL,     -- counts up: who joined earlier has the lower member.joined_no
  dissolved INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE member (
  conversation INTEGER NOT NULL,
  user INTEGER NOT NULL,
  role INTEGER NOT NULL,          -- enum chat_role; 0 in direct conversations
  joined_seq INTEGER NOT NULL,    -- what is beyond it is theirs to see
  joined_no INTEGER NOT NULL,
  delivered_seq INTEGER NOT NULL, -- the furthest of all devices, and it outlives them
  read_seq INTEGER NOT NULL,
  PRIMARY KEY (conversation, user)
) WITHOUT ROWID;
CREATE INDEX member_user ON member (user, conversation);

-- A device's mark. No row: the conversation began after the device, whose mark is the joining.
CREATE TABLE mark (
  user INTEGER NOT NULL,
  device TEXT NOT NULL,
  conversation INTEGER NOT NULL,
  delivered_seq INTEGER NOT NULL,
  PRIMARY KEY (user, device, conversation)
) WITHOUT ROWID;

CREATE TABLE invitation (
  user INTEGER NOT NULL,
  grp INTEGER NOT NULL,
  inviter INTEGER NOT NULL,
  PRIMARY KEY (user, grp)
) WITHOUT ROWID;
CREATE INDEX invitation_group ON invitation (grp);

CREATE TABLE barred (
  grp INTEGER NOT NULL,
  user INTEGER NOT NULL,
  PRIMARY KEY (grp, user)
) WITHOUT ROWID;

-- Appended at one end only: rows by id, and cids that clients make ordered by time.
CREATE TABLE message (
  id INTEGER PRIMARY KEY,
  conversation INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  kind INTEGER NOT NULL,    -- enum chat_message_kind
  sender INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  changes INTEGER NOT NULL, -- the seq that an edit or a recall changes; 0: none
  flags INTEGER NOT NULL,   -- 1 edited, 2 recalled
  cid BLOB,
  digest BLOB,              -- of what was first sent, where it was changed since
  text TEXT NOT NULL,
  data TEXT
);
CREATE UNIQUE INDEX message_cid ON message (cid, sender) WHERE cid IS NOT NULL;

-- Where a conversation's messages are. The newest of all are missing: chatd has those in memory and writes them later, many of a
-- conversation at a time, as each conversation has pages of its own here.
CREATE TABLE log (
  conversation INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  message INTEGER NOT NULL,
  PRIMARY KEY (conversation, seq)
) WITHOUT ROWID;
-- Up to which message the log is whole.
CREATE TABLE log_whole (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  message INTEGER NOT NULL
);

-- Where a message's edits are in the log.
CREATE TABLE message_edit (
  conversation INTEGER NOT NULL,
  changes INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (conversation, changes, seq)
) WITHOUT ROWID;
