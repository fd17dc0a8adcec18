-- Whoever has written a template last: its occurrences are made with their rights, as these are then.
ALTER TABLE event_templates ADD COLUMN written_by BLOB; -- none: created_by
ALTER TABLE event_templates ADD COLUMN last_error_field TEXT; -- what the last run could make nothing of
UPDATE event_templates SET written_by = (
    SELECT actor_id FROM audit_log
    WHERE object_id = event_templates.id AND action IN ('event_template.create', 'event_template.update')
    ORDER BY at DESC, id DESC LIMIT 1
);
