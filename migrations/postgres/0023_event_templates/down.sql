DROP TABLE event_template_days;
DROP TABLE event_templates;
