-- What goes with a lesson beside what it plays: poster, subtitles, attachments.
CREATE TABLE lesson_files (
    lesson_id BLOB NOT NULL REFERENCES lessons (id),
    number INTEGER NOT NULL, -- of the version; 0 for the working copy
    role TEXT NOT NULL, -- poster, subtitles, attachment
    position INTEGER NOT NULL,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    language TEXT, -- of subtitles
    media_id BLOB NOT NULL REFERENCES media_files (id),
    PRIMARY KEY (lesson_id, number, role, position)
) STRICT;
CREATE INDEX lesson_files_media ON lesson_files (media_id);
CREATE INDEX lesson_files_tenant ON lesson_files (tenant_id);
CREATE INDEX lessons_media ON lessons (media_id) WHERE media_id IS NOT NULL;
CREATE INDEX lesson_versions_media ON lesson_versions (media_id) WHERE media_id IS NOT NULL;
