DROP TABLE service_hours;
