-- The first schema, as schema/sqlite has it. What is compared is VARBINARY: bytes as they are, without the padding of
-- text collations; what is only shown is utf8mb4. No foreign keys and no stored procedures, so that it runs on Galera, Vitess or TiDB as it is.
-- Every statement may be run again: a migration that was cut off is begun anew.

CREATE TABLE IF NOT EXISTS user (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(32) NOT NULL,
  name_key VARBINARY(128) NOT NULL,
  hash VARBINARY(160) NOT NULL,
  directs INT NOT NULL DEFAULT 0 COMMENT 'direct conversations that have begun',
  UNIQUE KEY user_name (name_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- A device of a user's, its token, and its place: who is online where.
CREATE TABLE IF NOT EXISTS device (
  user BIGINT NOT NULL,
  device VARBINARY(32) NOT NULL,
  made_ms BIGINT NOT NULL COMMENT 'tells it from another of that name that was removed',
  since_ms BIGINT NOT NULL,
  token VARBINARY(32) COMMENT 'its hash; NULL: none holds',
  expires_ms BIGINT NOT NULL DEFAULT 0,
  node VARBINARY(64) COMMENT 'where it is online; NULL: nowhere',
  session BIGINT NOT NULL DEFAULT 0 COMMENT 'and by which session',
  PRIMARY KEY (user, device),
  UNIQUE KEY device_token (token),
  KEY device_node (node, session)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS node (
  name VARBINARY(64) NOT NULL PRIMARY KEY,
  started_ms BIGINT NOT NULL COMMENT 'tells one life of the node from another',
  beat_ms BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS friendship (
  user BIGINT NOT NULL,
  other BIGINT NOT NULL,
  state INT NOT NULL COMMENT 'enum chat_friend_state, seen from user',
  PRIMARY KEY (user, other)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- A group's id is its conversation's. low and high are the two users of a direct one. blocked says of the two what friendship says, where a
-- send reads it. Where it ends is not here: that is the last row of its log (talk).
CREATE TABLE IF NOT EXISTS conversation (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  low BIGINT,
  high BIGINT,
  epoch INT UNSIGNED NOT NULL DEFAULT 1,
  blocked INT NOT NULL DEFAULT 0,
  UNIQUE KEY conversation_pair (low, high)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS chat_group (
  id BIGINT NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  description VARCHAR(256) NOT NULL,
  open INT NOT NULL,
  members INT NOT NULL,
  joins INT NOT NULL COMMENT 'counts up: who joined earlier has the lower member.joined_no',
  dissolved INT NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS member (
  conversation BIGINT NOT NULL,
  user BIGINT NOT NULL,
  role INT NOT NULL DEFAULT 0 COMMENT 'enum chat_role; 0 in direct conversations',
  joined_seq BIGINT NOT NULL DEFAULT 0 COMMENT 'what is beyond it is theirs to see',
  joined_no INT NOT NULL DEFAULT 0,
  delivered_seq BIGINT NOT NULL DEFAULT 0 COMMENT 'the furthest of all devices, and it outlives them',
  read_seq BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (conversation, user),
  KEY member_user (user, conversation)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- A device's mark. No row: the conversation began after the device, whose mark is the joining.
CREATE TABLE IF NOT EXISTS mark (
  user BIGINT NOT NULL,
  device VARBINARY(32) NOT NULL,
  conversation BIGINT NOT NULL,
  delivered_seq BIGINT NOT NULL,
  PRIMARY KEY (user, device, conversation)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS invitation (
  user BIGINT NOT NULL,
  grp BIGINT NOT NULL,
  inviter BIGINT NOT NULL,
  PRIMARY KEY (user, grp),
  KEY invitation_group (grp)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS barred (
  grp BIGINT NOT NULL,
  user BIGINT NOT NULL,
  PRIMARY KEY (grp, user)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Clustered by conversation and seq: a page of a log is one range of the table. cids that clients make are ordered by time, so
-- their index grows at one end.
--
-- The key is what sends meet at: each writes the row behind the last that it knows of, and only one of them can. Who has locked the
-- conversation, to change who may write there, say, has a fence in that place: a row that is no message. It stays until the next message
-- takes its place. Where others were in the way there are several, without a gap.
CREATE TABLE IF NOT EXISTS message (
  conversation BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  kind INT NOT NULL DEFAULT 0 COMMENT 'enum chat_message_kind, a text; -1: a fence',
  sender BIGINT NOT NULL,
  time_ms BIGINT NOT NULL,
  other_seq BIGINT NOT NULL DEFAULT 0 COMMENT 'of a direct conversation: what the other of the two wrote last, and so has read',
  changes BIGINT NOT NULL DEFAULT 0 COMMENT 'the seq that an edit or a recall changes; 0: none',
  flags INT NOT NULL DEFAULT 0 COMMENT '1 edited, 2 recalled',
  cid VARBINARY(36),
  digest VARBINARY(16) COMMENT 'of what was first sent, where it was changed since',
  text TEXT NOT NULL,
  data TEXT,
  PRIMARY KEY (conversation, seq),
  UNIQUE KEY message_cid (cid, sender)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Where a message's edits are in the log; a table, for an index on message.changes would have an entry of each message.
CREATE TABLE IF NOT EXISTS message_edit (
  conversation BIGINT NOT NULL,
  changes BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (conversation, changes, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Conversations with their ends. writer wrote the last message, and so has read it: who wrote before has that in member.read_seq.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW talk AS SELECT c.id,c.low,c.high,c.epoch,c.blocked,
  COALESCE(e.seq,0) AS last_seq,
  COALESCE(e.time_ms,0) AS last_ms,
  COALESCE(IF(e.sender=c.low,e.seq,e.other_seq),0) AS low_sent,
  COALESCE(IF(e.sender=c.high,e.seq,e.other_seq),0) AS high_sent,
  COALESCE(e.sender,0) AS writer
  FROM conversation c LEFT JOIN message e ON e.conversation=c.id AND e.seq=(
    SELECT x.seq FROM message x WHERE x.conversation=c.id AND x.kind>=0 ORDER BY x.seq DESC LIMIT 1);
