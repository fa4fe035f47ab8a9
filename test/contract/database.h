/* SPDX-License-Identifier: MIT */
#ifndef TEST_DATABASE_H
#define TEST_DATABASE_H

/*
 * An empty database, with the schema, at the server that CHAT_TEST_STORE names (with_mariadb.py). 0, or it cannot be had; then
 * too where the library was built without MySQL.
 */
int database_make(void);

#endif
