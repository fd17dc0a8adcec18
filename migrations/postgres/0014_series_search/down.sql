DROP TABLE series_lessons;
DROP TABLE lesson_series;
