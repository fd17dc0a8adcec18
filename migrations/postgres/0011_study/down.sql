DROP TABLE study_reviews;
DROP TABLE lesson_completions;
DROP TABLE lesson_progress;
DROP TABLE study_clocks;
