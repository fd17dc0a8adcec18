DROP TABLE point_changes;
DROP TABLE point_awards;
DROP TABLE point_rules;
DROP TABLE point_totals;
DROP TABLE point_entries;
