DROP INDEX lessons_shown;
DROP TABLE lesson_search;
DROP TABLE IF EXISTS lesson_search_keys; -- of SQLite only
DROP TABLE series_lessons;
DROP TABLE lesson_series;
