-- What goes with a lesson beside what it plays: poster, subtitles, attachments.
CREATE TABLE lesson_files (
    lesson_id uuid NOT NULL REFERENCES lessons (id),
    number integer NOT NULL, -- of the version; 0 for the working copy
    role text NOT NULL, -- poster, subtitles, attachment
    position integer NOT NULL,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    language text, -- of subtitles
    media_id uuid NOT NULL REFERENCES media_files (id),
    PRIMARY KEY (lesson_id, number, role, position)
);
CREATE INDEX lesson_files_media ON lesson_files (media_id);
CREATE INDEX lesson_files_tenant ON lesson_files (tenant_id);
CREATE INDEX lessons_media ON lessons (media_id) WHERE media_id IS NOT NULL;
CREATE INDEX lesson_versions_media ON lesson_versions (media_id) WHERE media_id IS NOT NULL;
