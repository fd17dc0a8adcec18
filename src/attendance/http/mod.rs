//! Routes of attendance; one file for each kind of thing a client sees.

mod batch;
mod check_ins;
mod checkpoints;
mod codes;
mod leave;
mod live;
mod make_up;
mod mine;
mod pages;
mod sheet;

pub use mine::MyAttendanceView;

use actix_web::web;
use utoipa_actix_web::service_config::ServiceConfig;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(codes::find_code)
        .service(codes::find_code_svg)
        .service(codes::find_code_png)
        .service(codes::create_check_in_proof)
        .service(codes::verify_code)
        .service(codes::find_personal_code)
        .service(batch::check_in_batch)
        .service(check_ins::check_in)
        .service(check_ins::check_in_member)
        .service(check_ins::annul_check_in)
        .service(check_ins::accept_check_in)
        .service(checkpoints::list_checkpoints)
        .service(checkpoints::update_checkpoints)
        .service(checkpoints::exit_all)
        .service(checkpoints::annul_passage)
        .service(sheet::list_attendance)
        .service(sheet::find_quorum)
        .service(make_up::update_make_up)
        .service(live::watch_attendance)
        .service(mine::find_my_attendance)
        .service(leave::request_leave)
        .service(leave::list_leave_requests)
        .service(leave::approve_leave)
        .service(leave::reject_leave)
        .service(leave::withdraw_leave);
}

/// What a phone's camera opens; outside `/api/v1`, because its address is printed on a screen.
pub fn configure_pages(cfg: &mut web::ServiceConfig) {
    pages::configure(cfg);
}
