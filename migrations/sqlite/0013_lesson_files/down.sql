DROP INDEX lesson_versions_media;
DROP INDEX lessons_media;
DROP TABLE lesson_files;
