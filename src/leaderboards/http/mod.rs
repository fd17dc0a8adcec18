//! `/leaderboards/{id}` of an organization, live too, and `/me/leaderboard-wishes`.

mod boards;
mod live;
mod pages;
mod wishes;

use utoipa_actix_web::service_config::ServiceConfig;

pub use live::LiveBoards;
pub use pages::Pages;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(boards::list_leaderboard)
        .service(boards::find_my_rank)
        .service(boards::list_final_leaderboards)
        .service(live::watch_leaderboard)
        .service(wishes::find_leaderboard_wishes)
        .service(wishes::update_leaderboard_wishes);
}
