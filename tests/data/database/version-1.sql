-- A database of version 1, as a program of that version left it.
CREATE TABLE registration (identity TEXT PRIMARY KEY NOT NULL, until_ms INTEGER NOT NULL) STRICT;
INSERT INTO registration VALUES ('kitchen', 4102444800000);
PRAGMA user_version = 1;
