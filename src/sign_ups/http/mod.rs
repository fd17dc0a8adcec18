//! `/events/{id}/sign-ups`, `/events/{id}/sign-up-policy` and `/sign-ups`.

mod changes;
mod policy;
mod sign_ups;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(policy::find_sign_up_policy)
        .service(policy::update_sign_up_policy)
        .service(policy::list_draw_entries)
        .service(sign_ups::list_sign_ups)
        .service(sign_ups::create_sign_up)
        .service(sign_ups::create_group_sign_up)
        .service(sign_ups::find_my_sign_up)
        .service(changes::find_sign_up)
        .service(changes::cancel_sign_up)
        .service(changes::accept_sign_up)
        .service(changes::decline_sign_up)
        .service(changes::move_sign_up);
}
