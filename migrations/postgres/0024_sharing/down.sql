DROP TABLE event_materials;
DROP TABLE reflection_likes;
DROP TABLE reflection_pictures;
DROP TABLE reflections;
