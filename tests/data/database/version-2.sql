-- A database of version 2, as a program of that version left it: the last calls.
CREATE TABLE registration (identity TEXT PRIMARY KEY NOT NULL, until_ms INTEGER NOT NULL) STRICT;
INSERT INTO registration VALUES ('kitchen', 4102444800000);
CREATE TABLE call (n INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, sid TEXT NOT NULL, direction TEXT NOT NULL, caller TEXT NOT NULL, called TEXT NOT NULL, began TEXT NOT NULL, talk_seconds INTEGER NOT NULL, end_reason TEXT, quality TEXT) STRICT;
INSERT INTO call VALUES (11, 'c1', 'CA1', 'incoming', '+15145550100', '+15145550199', '2026-01-01T00:00:00Z', 0, 'hung_up_here', NULL);
INSERT INTO call VALUES (12, 'c2', 'CA2', 'incoming', '+15145550100', '+15145550199', '2026-01-01T00:10:00Z', 0, 'not_answered', NULL);
INSERT INTO call VALUES (13, 'c3', 'CA3', 'incoming', '+15145550100', '+15145550199', '2026-01-01T00:20:00Z', 190, 'hung_up_there', '{"seconds":190,"rating":null,"up_ms":{"now":25.0,"mean":25.0,"worst":27.0},"concealed_ms":120}');
INSERT INTO call VALUES (14, 'c4', 'CA4', 'outgoing', 'client:kitchen', '+15145550100', '2026-01-01T00:30:00Z', 12, NULL, NULL);
PRAGMA user_version = 2;
