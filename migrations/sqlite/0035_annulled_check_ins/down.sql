DROP INDEX check_ins_annulled;
