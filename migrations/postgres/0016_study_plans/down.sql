DROP TABLE study_plan_excuses;
DROP TABLE study_plan_lessons;
DROP TABLE study_plans;
