-- A database of version 4, as a program of that version left it: the history, contacts, the block list, recordings.
CREATE TABLE blocked (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pattern TEXT UNIQUE NOT NULL,
    note TEXT NOT NULL,
    since TEXT NOT NULL,
    hits INTEGER NOT NULL,
    last_hit TEXT
) STRICT;
INSERT INTO "blocked" VALUES(1,'+1900*','premium','2026-01-01T00:00:00Z',2,'2026-01-02T00:00:00Z');
CREATE TABLE contact (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    note TEXT NOT NULL,
    favourite INTEGER NOT NULL,
    auto_answer INTEGER NOT NULL,
    find TEXT NOT NULL
) STRICT;
INSERT INTO "contact" VALUES(1,'Anna','',1,0,'anna +15145550100');
CREATE TABLE contact_number (
    contact INTEGER NOT NULL,
    place INTEGER NOT NULL,
    label TEXT NOT NULL,
    number TEXT NOT NULL,
    PRIMARY KEY (contact, place)
) STRICT;
INSERT INTO "contact_number" VALUES(1,0,'mobile','+15145550100');
CREATE TABLE device_pair (n INTEGER PRIMARY KEY, capture TEXT NOT NULL, playout TEXT NOT NULL, lead_blocks INTEGER NOT NULL, drift_ppm REAL NOT NULL, UNIQUE (capture, playout)) STRICT;
INSERT INTO "device_pair" VALUES(1,'microphone','speaker',-4,12.5);
CREATE TABLE history (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT UNIQUE NOT NULL,
    sid TEXT NOT NULL,
    direction TEXT NOT NULL,
    caller TEXT NOT NULL,
    called TEXT NOT NULL,
    name TEXT,
    began TEXT NOT NULL,
    answered TEXT,
    ended TEXT,
    talk_seconds INTEGER NOT NULL,
    end_reason TEXT,
    place TEXT,
    missed INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    noted TEXT NOT NULL,
    quality TEXT,
    find TEXT NOT NULL
) STRICT;
INSERT INTO "history" VALUES(11,'c1','CA1','incoming','+15145550100','+15145550199',NULL,'2026-01-01T00:00:00Z',NULL,NULL,0,'hung_up_here',NULL,0,1,'2026-01-01T00:00:00Z',NULL,'+15145550100 +15145550199');
INSERT INTO "history" VALUES(12,'c2','CA2','incoming','+15145550100','+15145550199',NULL,'2026-01-01T00:10:00Z',NULL,NULL,0,'not_answered',NULL,1,1,'2026-01-01T00:10:00Z',NULL,'+15145550100 +15145550199');
INSERT INTO "history" VALUES(13,'c3','CA3','incoming','+15145550100','+15145550199',NULL,'2026-01-01T00:20:00Z',NULL,NULL,190,'hung_up_there','desk',0,1,'2026-01-01T00:20:00Z','{"seconds":190,"rating":null,"up_ms":{"now":25.0,"mean":25.0,"worst":27.0},"concealed_ms":120}','+15145550100 +15145550199');
INSERT INTO "history" VALUES(14,'c4','CA4','outgoing','client:kitchen','+15145550100',NULL,'2026-01-01T00:30:00Z',NULL,NULL,12,'interrupted',NULL,0,1,'2026-01-01T00:30:00Z',NULL,'client:kitchen +15145550100');
CREATE TABLE recording (
    file TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    call TEXT,
    caller TEXT NOT NULL,
    began TEXT NOT NULL,
    seconds INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    seen INTEGER NOT NULL
) STRICT;
INSERT INTO "recording" VALUES('a.opus','voicemail','c2','+15145550100','2026-01-01T00:10:00Z',7,9000,0);
CREATE TABLE registration (identity TEXT PRIMARY KEY NOT NULL, until_ms INTEGER NOT NULL) STRICT;
INSERT INTO "registration" VALUES('kitchen',4102444800000);
CREATE TABLE setting (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT;
INSERT INTO "setting" VALUES('volume','40');
CREATE INDEX history_began ON history (began);
CREATE INDEX history_sid ON history (sid);
CREATE INDEX history_unseen ON history (n) WHERE missed = 1 AND seen = 0;
CREATE INDEX history_open ON history (n) WHERE end_reason IS NULL;
CREATE INDEX contact_find ON contact (find);
CREATE INDEX recording_call ON recording (call);
PRAGMA user_version = 5;
