DROP TABLE calendar_feeds;
DROP TABLE event_members;
DROP TABLE event_organizations;
DROP TABLE event_forms;
DROP TABLE events;
