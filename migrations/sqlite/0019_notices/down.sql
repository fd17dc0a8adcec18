DROP INDEX events_starting;
DROP TABLE webhook_deliveries;
DROP TABLE webhooks;
DROP TABLE notice_settings;
DROP TABLE notices;
DROP TABLE jobs;
