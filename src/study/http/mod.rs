//! `/lessons/{id}/progress`, `/progress`, `/study-reviews` and `/xapi/statements`.

mod batch;
mod progress;
mod reviews;
mod view;
mod xapi;

use utoipa_actix_web::service_config::ServiceConfig;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(progress::find_progress)
        .service(progress::update_progress)
        .service(progress::list_progress)
        .service(batch::record_progress_batch)
        .service(reviews::list_study_reviews)
        .service(reviews::accept_study_review)
        .service(reviews::refuse_study_review)
        .service(xapi::list_statements);
}
