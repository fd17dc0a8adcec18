DROP TABLE lesson_organizations;
DROP TABLE lesson_tags;
DROP TABLE lesson_versions;
DROP TABLE lessons;
