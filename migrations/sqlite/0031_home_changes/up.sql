-- What has changed of what a first screen shows: for one member, or for everybody in a tree (see src/home). Triggers write it, so that it
-- is there with each change, whoever makes it.
-- Begin of what only SQLite needs: one writer at a time can count.
CREATE TABLE home_changes (
    subject_id BLOB NOT NULL PRIMARY KEY, -- the member, or the tree's root
    change_no INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One member's.
CREATE TRIGGER home_check_ins_insert AFTER INSERT ON check_ins BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_check_ins_update AFTER UPDATE ON check_ins BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_checkpoint_passages_insert AFTER INSERT ON checkpoint_passages BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_checkpoint_passages_update AFTER UPDATE ON checkpoint_passages BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_leave_requests_insert AFTER INSERT ON leave_requests BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_leave_requests_update AFTER UPDATE ON leave_requests BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_lesson_completions_insert AFTER INSERT ON lesson_completions BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_lesson_completions_update AFTER UPDATE ON lesson_completions BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_lesson_completions_delete AFTER DELETE ON lesson_completions BEGIN
    INSERT INTO home_changes VALUES (OLD.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_lesson_progress_insert AFTER INSERT ON lesson_progress BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_member_standings_insert AFTER INSERT ON member_standings BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_member_transfers_insert AFTER INSERT ON member_transfers BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_notices_insert AFTER INSERT ON notices BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_notices_update AFTER UPDATE ON notices BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_notices_delete AFTER DELETE ON notices BEGIN
    INSERT INTO home_changes VALUES (OLD.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_point_entries_insert AFTER INSERT ON point_entries BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_roster_entries_update AFTER UPDATE ON roster_entries BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_roster_entries_delete AFTER DELETE ON roster_entries BEGIN
    INSERT INTO home_changes VALUES (OLD.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_sign_ups_insert AFTER INSERT ON sign_ups BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_sign_ups_update AFTER UPDATE ON sign_ups BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_study_plan_excuses_insert AFTER INSERT ON study_plan_excuses BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_study_plan_excuses_update AFTER UPDATE ON study_plan_excuses BEGIN
    INSERT INTO home_changes VALUES (NEW.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_study_plan_excuses_delete AFTER DELETE ON study_plan_excuses BEGIN
    INSERT INTO home_changes VALUES (OLD.member_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_members_update AFTER UPDATE ON members BEGIN
    INSERT INTO home_changes VALUES (NEW.id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;

-- A tree's.
CREATE TRIGGER home_checkpoints_insert AFTER INSERT ON checkpoints BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_checkpoints_update AFTER UPDATE ON checkpoints BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_checkpoints_delete AFTER DELETE ON checkpoints BEGIN
    INSERT INTO home_changes VALUES (OLD.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_event_forms_insert AFTER INSERT ON event_forms BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_event_forms_update AFTER UPDATE ON event_forms BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_event_forms_delete AFTER DELETE ON event_forms BEGIN
    INSERT INTO home_changes VALUES (OLD.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_event_members_insert AFTER INSERT ON event_members BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_event_members_update AFTER UPDATE ON event_members BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_event_members_delete AFTER DELETE ON event_members BEGIN
    INSERT INTO home_changes VALUES (OLD.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_event_organizations_insert AFTER INSERT ON event_organizations BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_event_organizations_update AFTER UPDATE ON event_organizations BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_event_organizations_delete AFTER DELETE ON event_organizations BEGIN
    INSERT INTO home_changes VALUES (OLD.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_lesson_organizations_insert AFTER INSERT ON lesson_organizations BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_lesson_organizations_update AFTER UPDATE ON lesson_organizations BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_lesson_organizations_delete AFTER DELETE ON lesson_organizations BEGIN
    INSERT INTO home_changes VALUES (OLD.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_lesson_versions_insert AFTER INSERT ON lesson_versions BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_lesson_versions_update AFTER UPDATE ON lesson_versions BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_lessons_insert AFTER INSERT ON lessons BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_lessons_update AFTER UPDATE ON lessons BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_make_ups_insert AFTER INSERT ON make_ups BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_make_ups_update AFTER UPDATE ON make_ups BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_make_ups_delete AFTER DELETE ON make_ups BEGIN
    INSERT INTO home_changes VALUES (OLD.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_organizations_update AFTER UPDATE ON organizations BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_study_plan_lessons_insert AFTER INSERT ON study_plan_lessons BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_study_plan_lessons_update AFTER UPDATE ON study_plan_lessons BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_study_plan_lessons_delete AFTER DELETE ON study_plan_lessons BEGIN
    INSERT INTO home_changes VALUES (OLD.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_study_plans_insert AFTER INSERT ON study_plans BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_study_plans_update AFTER UPDATE ON study_plans BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
CREATE TRIGGER home_events_insert AFTER INSERT ON events BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
-- A hall of phones that check in counts them here, which nobody is shown.
CREATE TRIGGER home_events_update AFTER UPDATE ON events WHEN OLD.last_seq = NEW.last_seq BEGIN
    INSERT INTO home_changes VALUES (NEW.tenant_id, 1) ON CONFLICT (subject_id) DO UPDATE SET change_no = change_no + 1;
END;
-- End of what only SQLite needs.
