DROP TABLE guests;
DROP TABLE guest_links;
