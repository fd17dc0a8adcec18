-- What has changed of what a first screen shows: for one member, or for everybody in a tree (see src/home). Triggers write it, so that it
-- is there with each change, whoever makes it.
-- Begin of what only PostgreSQL needs: writers who append do not wait for one another. Old rows are pruned by a job.
CREATE SEQUENCE home_change_no;
CREATE TABLE home_changes (
    subject_id uuid NOT NULL, -- the member, or the tree's root
    change_no bigint NOT NULL DEFAULT nextval('home_change_no'),
    PRIMARY KEY (subject_id, change_no)
);

CREATE FUNCTION home_changed_for_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO home_changes (subject_id) SELECT DISTINCT member_id FROM changed;
    RETURN NULL;
END $$;
CREATE FUNCTION home_changed_for_trees() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO home_changes (subject_id) SELECT DISTINCT tenant_id FROM changed;
    RETURN NULL;
END $$;
CREATE FUNCTION home_changed_for_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO home_changes (subject_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE FUNCTION home_changed_for_tree() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO home_changes (subject_id) VALUES (NEW.tenant_id);
    RETURN NULL;
END $$;

-- One member's.
CREATE TRIGGER home_check_ins_insert AFTER INSERT ON check_ins REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_check_ins_update AFTER UPDATE ON check_ins REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_checkpoint_passages_insert AFTER INSERT ON checkpoint_passages REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_checkpoint_passages_update AFTER UPDATE ON checkpoint_passages REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_leave_requests_insert AFTER INSERT ON leave_requests REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_leave_requests_update AFTER UPDATE ON leave_requests REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_lesson_completions_insert AFTER INSERT ON lesson_completions REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_lesson_completions_update AFTER UPDATE ON lesson_completions REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_lesson_completions_delete AFTER DELETE ON lesson_completions REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_lesson_progress_insert AFTER INSERT ON lesson_progress REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_member_standings_insert AFTER INSERT ON member_standings REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_member_transfers_insert AFTER INSERT ON member_transfers REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_notices_insert AFTER INSERT ON notices REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_notices_update AFTER UPDATE ON notices REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_notices_delete AFTER DELETE ON notices REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_point_entries_insert AFTER INSERT ON point_entries REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_roster_entries_update AFTER UPDATE ON roster_entries REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_roster_entries_delete AFTER DELETE ON roster_entries REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_sign_ups_insert AFTER INSERT ON sign_ups REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_sign_ups_update AFTER UPDATE ON sign_ups REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_study_plan_excuses_insert AFTER INSERT ON study_plan_excuses REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_study_plan_excuses_update AFTER UPDATE ON study_plan_excuses REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_study_plan_excuses_delete AFTER DELETE ON study_plan_excuses REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_members();
CREATE TRIGGER home_members_update AFTER UPDATE ON members
    FOR EACH ROW EXECUTE FUNCTION home_changed_for_person();

-- A tree's.
CREATE TRIGGER home_checkpoints_insert AFTER INSERT ON checkpoints REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_checkpoints_update AFTER UPDATE ON checkpoints REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_checkpoints_delete AFTER DELETE ON checkpoints REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_event_forms_insert AFTER INSERT ON event_forms REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_event_forms_update AFTER UPDATE ON event_forms REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_event_forms_delete AFTER DELETE ON event_forms REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_event_members_insert AFTER INSERT ON event_members REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_event_members_update AFTER UPDATE ON event_members REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_event_members_delete AFTER DELETE ON event_members REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_event_organizations_insert AFTER INSERT ON event_organizations REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_event_organizations_update AFTER UPDATE ON event_organizations REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_event_organizations_delete AFTER DELETE ON event_organizations REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_lesson_organizations_insert AFTER INSERT ON lesson_organizations REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_lesson_organizations_update AFTER UPDATE ON lesson_organizations REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_lesson_organizations_delete AFTER DELETE ON lesson_organizations REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_lesson_versions_insert AFTER INSERT ON lesson_versions REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_lesson_versions_update AFTER UPDATE ON lesson_versions REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_lessons_insert AFTER INSERT ON lessons REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_lessons_update AFTER UPDATE ON lessons REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_make_ups_insert AFTER INSERT ON make_ups REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_make_ups_update AFTER UPDATE ON make_ups REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_make_ups_delete AFTER DELETE ON make_ups REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_organizations_update AFTER UPDATE ON organizations REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_study_plan_lessons_insert AFTER INSERT ON study_plan_lessons REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_study_plan_lessons_update AFTER UPDATE ON study_plan_lessons REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_study_plan_lessons_delete AFTER DELETE ON study_plan_lessons REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_study_plans_insert AFTER INSERT ON study_plans REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_study_plans_update AFTER UPDATE ON study_plans REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION home_changed_for_trees();
CREATE TRIGGER home_events_insert AFTER INSERT ON events
    FOR EACH ROW EXECUTE FUNCTION home_changed_for_tree();
-- A hall of phones that check in counts them here, which nobody is shown.
CREATE TRIGGER home_events_update AFTER UPDATE ON events
    FOR EACH ROW WHEN (OLD.last_seq = NEW.last_seq) EXECUTE FUNCTION home_changed_for_tree();
-- End of what only PostgreSQL needs.
