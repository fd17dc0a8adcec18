DROP TABLE leave_requests;
DROP TABLE check_ins;
DROP TABLE roster_entries;
