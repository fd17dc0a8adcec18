DROP TABLE checkpoint_passages;
DROP TABLE checkpoints;
DROP TABLE checkpoint_plans;
