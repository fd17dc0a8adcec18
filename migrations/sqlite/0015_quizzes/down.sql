DROP TABLE quiz_answers;
DROP TABLE quiz_attempts;
DROP TABLE quiz_versions;
DROP TABLE lesson_quizzes;
