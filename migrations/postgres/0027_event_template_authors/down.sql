ALTER TABLE event_templates DROP COLUMN last_error_field;
ALTER TABLE event_templates DROP COLUMN written_by;
