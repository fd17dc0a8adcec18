DROP INDEX calendar_feeds_once;
