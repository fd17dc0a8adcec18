DROP TABLE leaderboard_sizes;
DROP TABLE leaderboard_results;
DROP TABLE leaderboard_periods;
DROP TABLE leaderboard_moves;
DROP TABLE leaderboard_wishes;
ALTER TABLE organizations DROP COLUMN leaderboards;
