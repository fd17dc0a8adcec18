//! `/events/{id}/reflections`, `/reflections`, `/events/{id}/materials` and `/materials`.

mod likes;
mod materials;
mod moderation;
mod pictures;
mod reflections;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(reflections::create_reflection)
        .service(reflections::list_event_reflections)
        .service(reflections::list_reflections)
        .service(reflections::find_reflection)
        .service(reflections::update_reflection)
        .service(reflections::withdraw_reflection)
        .service(moderation::approve_reflection)
        .service(moderation::reject_reflection)
        .service(moderation::hide_reflection)
        .service(pictures::add_reflection_picture)
        .service(pictures::remove_reflection_picture)
        .service(likes::like_reflection)
        .service(likes::unlike_reflection)
        .service(likes::list_reflection_likes)
        .service(materials::create_material)
        .service(materials::list_materials)
        .service(materials::archive_material);
}
