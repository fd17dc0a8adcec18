//! `/me/points`, `/members/{id}/points`, `/organizations/{id}/point-rules`, `/point-awards`.

mod awards;
mod journal;
mod schemes;

pub use journal::PointTotalsView;
use utoipa_actix_web::service_config::ServiceConfig;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(journal::list_my_points)
        .service(journal::list_member_points)
        .service(schemes::list_point_rules)
        .service(schemes::update_point_rule)
        .service(schemes::simulate_points)
        .service(awards::propose_points)
        .service(awards::list_point_awards)
        .service(awards::approve_point_award)
        .service(awards::reject_point_award)
        .service(awards::withdraw_point_award)
        .service(awards::annul_point_award);
}
