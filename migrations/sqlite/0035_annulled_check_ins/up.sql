-- All other check-ins of a member are found event by event. These are few, and no check-in waits for their index.
CREATE INDEX check_ins_annulled ON check_ins (member_id) WHERE annulled_at IS NOT NULL;
