//! Every error the API can answer, one row each: variant, wire code, HTTP status, and its text in three languages.
//! The wire code is a promise to clients; texts may be improved at any time and always say what to do.

macro_rules! codes {
    ($($variant:ident $wire:literal $status:literal { $en:literal $hans:literal $hant:literal })*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($variant),* }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub const fn wire(self) -> &'static str {
                match self { $(Self::$variant => $wire),* }
            }

            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),* }
            }

            pub const fn text(self, language: Language) -> &'static str {
                match self {
                    $(Self::$variant => match language {
                        Language::En => $en,
                        Language::ZhHans => $hans,
                        Language::ZhHant => $hant,
                    }),*
                }
            }
        }
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    En,
    ZhHans,
    ZhHant,
}

impl Language {
    /// The best of our three for an `Accept-Language` header: zh-TW, zh-HK, zh-MO are Traditional, other zh Simplified.
    pub fn negotiate(header: &str) -> Self {
        let mut best = (0.0, Self::En);
        for part in header.split(',') {
            let mut pieces = part.split(';');
            let tag = pieces.next().unwrap_or_default().trim().to_ascii_lowercase();
            let weight = pieces
                .find_map(|piece| piece.trim().strip_prefix("q="))
                .map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
            let language = match tag.as_str() {
                "en" => Self::En,
                t if t.starts_with("en-") => Self::En,
                t if t.starts_with("zh-hant") || t.starts_with("zh-tw") => Self::ZhHant,
                t if t.starts_with("zh-hk") || t.starts_with("zh-mo") => Self::ZhHant,
                t if t == "zh" || t.starts_with("zh-") => Self::ZhHans,
                _ => continue,
            };
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::ZhHans => "zh-Hans",
            Self::ZhHant => "zh-Hant",
        }
    }
}

codes! {
    // The request itself.
    MalformedJson "malformed_json" 400 {
        "The body is not JSON. Check the quoting and send it again."
        "请求内容不是有效的 JSON，请检查后重新发送。"
        "請求內容不是有效的 JSON，請檢查後重新傳送。" }
    BadRequest "bad_request" 400 {
        "The request cannot be understood. Check its path, headers and body."
        "无法理解该请求，请检查路径、请求头和内容。"
        "無法理解該請求，請檢查路徑、標頭和內容。" }
    Unauthorized "unauthorized" 401 {
        "Sign in first: the access token is missing, wrong or expired."
        "请先登录：访问令牌缺失、错误或已过期。"
        "請先登入：存取權杖缺失、錯誤或已過期。" }
    InvalidCredentials "invalid_credentials" 401 {
        "The account or the password is wrong."
        "账号或密码错误。"
        "帳號或密碼錯誤。" }
    InvalidRefreshToken "invalid_refresh_token" 401 {
        "This session has ended. Sign in again."
        "会话已结束，请重新登录。"
        "工作階段已結束，請重新登入。" }
    Forbidden "forbidden" 403 {
        "Your roles do not allow this here. Ask an administrator of the organization."
        "您的角色在此没有权限，请联系组织管理员。"
        "您的角色在此沒有權限，請聯絡組織管理員。" }
    NotFound "not_found" 404 {
        "There is nothing here."
        "未找到。"
        "找不到。" }
    MethodNotAllowed "method_not_allowed" 405 {
        "This path does not take that method; see the Allow header."
        "该路径不支持此方法，请参见 Allow 响应头。"
        "該路徑不支援此方法，請參見 Allow 標頭。" }
    NotAcceptable "not_acceptable" 406 {
        "None of the accepted media types can be made here."
        "无法按所要求的格式输出。"
        "無法按所要求的格式輸出。" }
    RequestTimeout "request_timeout" 408 {
        "The request took too long to arrive. Send it again."
        "请求传输超时，请重新发送。"
        "請求傳輸逾時，請重新傳送。" }
    TooLarge "too_large" 413 {
        "The body is larger than is allowed here."
        "内容超过允许的大小。"
        "內容超過允許的大小。" }
    UnsupportedMediaType "unsupported_media_type" 415 {
        "Send this as the media type that the operation takes, JSON unless stated."
        "请使用该接口支持的格式（一般为 JSON）。"
        "請使用該介面支援的格式（一般為 JSON）。" }
    UnsupportedContentEncoding "unsupported_content_encoding" 415 {
        "Send the body as it is: compressed bodies are not taken."
        "请求内容请勿压缩，直接发送即可。"
        "請求內容請勿壓縮，直接傳送即可。" }
    InvalidFields "invalid_fields" 422 {
        "Some fields are wrong; `errors` names each of them."
        "部分字段有误，详见 errors。"
        "部分欄位有誤，詳見 errors。" }
    HeadersTooLarge "headers_too_large" 431 {
        "The request's headers are too large."
        "请求头过大。"
        "請求標頭過大。" }
    IdempotencyKeyReused "idempotency_key_reused" 422 {
        "This Idempotency-Key was used for another request. Use a new one."
        "该 Idempotency-Key 已用于另一请求，请更换。"
        "該 Idempotency-Key 已用於另一請求，請更換。" }
    VersionMismatch "version_mismatch" 412 {
        "Somebody changed this in the meantime. Load it again, then repeat your change."
        "内容已被他人修改，请重新加载后再改。"
        "內容已被他人修改，請重新載入後再改。" }
    VersionRequired "version_required" 428 {
        "Send If-Match with the ETag you have read, so that nobody's change is lost."
        "请带上 If-Match（读取时的 ETag），以免覆盖他人的修改。"
        "請帶上 If-Match（讀取時的 ETag），以免覆蓋他人的修改。" }
    RateLimited "rate_limited" 429 {
        "Too many tries. Wait for as long as Retry-After says."
        "尝试次数过多，请按 Retry-After 等待后再试。"
        "嘗試次數過多，請按 Retry-After 等待後再試。" }
    Internal "internal" 500 {
        "Something went wrong on our side. Tell us the request id."
        "服务器内部错误，请提供 request_id。"
        "伺服器內部錯誤，請提供 request_id。" }
    Overloaded "overloaded" 503 {
        "Very busy right now. Repeat the same request after Retry-After; nothing is done twice."
        "当前非常繁忙，请按 Retry-After 重试同一请求，不会重复处理。"
        "目前非常繁忙，請按 Retry-After 重試同一請求，不會重複處理。" }
    Unavailable "unavailable" 503 {
        "A part of the service does not answer. Repeat the same request after Retry-After; nothing is done twice."
        "服务暂不可用，请按 Retry-After 重试同一请求，不会重复处理。"
        "服務暫不可用，請按 Retry-After 重試同一請求，不會重複處理。" }

    // Accounts.
    ActivationCodeInvalid "activation_code_invalid" 422 {
        "This activation code is wrong, used or expired. Ask your secretary for a new one."
        "激活码错误、已使用或已过期，请向书记索取新的激活码。"
        "啟用碼錯誤、已使用或已過期，請向書記索取新的啟用碼。" }
    PasswordTooWeak "password_too_weak" 422 {
        "Choose a longer, less common password: `min_length` says how long at least."
        "密码太弱，请使用更长且不常见的密码，最短长度见 min_length。"
        "密碼太弱，請使用更長且不常見的密碼，最短長度見 min_length。" }
    WrongPassword "wrong_password" 403 {
        "The current password is wrong."
        "当前密码错误。"
        "目前密碼錯誤。" }

    // Organizations and members.
    NameTaken "name_taken" 409 {
        "Another one beside it has this name already."
        "同级中已有同名者。"
        "同級中已有同名者。" }
    PhoneTaken "phone_taken" 409 {
        "Another member here has this phone number."
        "该手机号已属于另一成员。"
        "該手機號碼已屬於另一成員。" }
    AccountNameTaken "account_name_taken" 409 {
        "Another member here has this account name."
        "该账号名已被使用。"
        "該帳號名已被使用。" }
    EmployeeNoTaken "employee_no_taken" 409 {
        "Another member here has this employee number."
        "该工号已属于另一成员。"
        "該工號已屬於另一成員。" }
    KindNotAllowedHere "kind_not_allowed_here" 422 {
        "An organization of this kind cannot stand below that parent."
        "该类组织不能设在此上级之下。"
        "該類組織不能設在此上級之下。" }
    MoveIntoOwnSubtree "move_into_own_subtree" 409 {
        "An organization cannot be moved below itself."
        "组织不能移到自己的下级之中。"
        "組織不能移到自己的下級之中。" }
    TreeTooDeep "tree_too_deep" 409 {
        "A tree has at most `limit` levels. Choose a place further up."
        "组织树最多 limit 级，请选择更高一级的位置。"
        "組織樹最多 limit 級，請選擇更高一級的位置。" }
    OrganizationNotEmpty "organization_not_empty" 409 {
        "It still has members, organizations below it, or events to come. Move them, and cancel or close the events, first."
        "该组织仍有成员、下级组织或未结束的活动，请先迁出成员和组织，取消或结束活动。"
        "該組織仍有成員、下級組織或未結束的活動，請先遷出成員和組織，取消或結束活動。" }
    AlreadyThere "already_there" 409 {
        "The member belongs to this organization already."
        "该成员已在此组织。"
        "該成員已在此組織。" }
    MemberActive "member_active" 409 {
        "This member is active. Deactivate the member first: what is erased does not come back."
        "该成员尚未停用。请先停用：清除的资料无法恢复。"
        "該成員尚未停用。請先停用：清除的資料無法恢復。" }
    MemberErased "member_erased" 409 {
        "What was held about this member has been erased. Create the member anew."
        "该成员的资料已清除，请重新建立成员。"
        "該成員的資料已清除，請重新建立成員。" }
    LastAdmin "last_admin" 409 {
        "Nobody else administers this tree. Make somebody else its admin first."
        "没有其他管理员，请先授予他人管理员角色。"
        "沒有其他管理員，請先授予他人管理員角色。" }
    MemberInactive "member_inactive" 409 {
        "This member is deactivated. Reactivate the member first."
        "该成员已停用，请先恢复。"
        "該成員已停用，請先恢復。" }
    NoSpreadsheet "no_spreadsheet" 422 {
        "The file cannot be read as a spreadsheet: send XLSX, or CSV in UTF-8 or GB18030. `reason` says more."
        "无法读取表格，请使用 XLSX 或 CSV（UTF-8 或 GB18030），原因见 reason。"
        "無法讀取表格，請使用 XLSX 或 CSV（UTF-8 或 GB18030），原因見 reason。" }
    ImportRejected "import_rejected" 422 {
        "Nothing was imported: `rows` names every bad row, column and reason. Mend the file and send it again."
        "未导入任何数据：rows 列出了每个错误的行、列和原因，请修改后重新上传。"
        "未匯入任何資料：rows 列出了每個錯誤的列、欄和原因，請修改後重新上傳。" }

    // Events.
    NotADraft "not_a_draft" 409 {
        "Only a draft can be published."
        "只有草稿可以发布。"
        "只有草稿可以發布。" }
    EventOver "event_over" 409 {
        "This event is closed or cancelled and cannot be changed any more."
        "该活动已结束或取消，不能再修改。"
        "該活動已結束或取消，不能再修改。" }
    RosterFrozen "roster_frozen" 409 {
        "Check-in has opened: who is expected, the time and the window cannot change any more."
        "签到已开始，应到范围、时间和签到窗口不能再修改。"
        "簽到已開始，應到範圍、時間和簽到時段不能再修改。" }

    // Sign-ups.
    NoSignUp "no_sign_up" 409 {
        "Nobody signs up for this event: whoever is called is expected."
        "该活动无需报名，受邀者直接参加。"
        "該活動無需報名，受邀者直接參加。" }
    SignUpNeedsDraft "sign_up_needs_draft" 409 {
        "People were called to this event already. Make a new one for sign-up."
        "该活动已发布应到名单，请新建需要报名的活动。"
        "該活動已發布應到名單，請新建需要報名的活動。" }
    SignUpNotOpen "sign_up_not_open" 409 {
        "Sign-up has not opened yet; `opens_at` says when it does."
        "报名尚未开始，开始时间见 opens_at。"
        "報名尚未開始，開始時間見 opens_at。" }
    SignUpClosed "sign_up_closed" 409 {
        "Sign-up is closed. Ask the organiser whether there is a place left."
        "报名已截止，请咨询组织者是否还有名额。"
        "報名已截止，請洽詢組織者是否還有名額。" }
    SignUpFull "sign_up_full" 409 {
        "All places are taken. Choose another session, or wait in line where that is possible."
        "名额已满，请选择其他场次，或在允许时候补。"
        "名額已滿，請選擇其他場次，或在允許時候補。" }
    AlreadySignedUp "already_signed_up" 409 {
        "Already signed up; `sign_up` is the record."
        "已经报名，记录见 sign_up。"
        "已經報名，紀錄見 sign_up。" }
    SignUpEnded "sign_up_ended" 409 {
        "This sign-up is over, as `state` says. Sign up again while that is open."
        "该报名已结束（见 state），报名期间可重新报名。"
        "該報名已結束（見 state），報名期間可重新報名。" }
    CancelTooLate "cancel_too_late" 409 {
        "Places could be given back until `cancel_until`. Tell the organiser, or ask for leave."
        "已过取消截止时间 cancel_until，请联系组织者或请假。"
        "已過取消截止時間 cancel_until，請聯絡組織者或請假。" }
    NotOffered "not_offered" 409 {
        "No place is being offered to you now."
        "当前没有待接受的名额。"
        "目前沒有待接受的名額。" }
    CapacityBelowTaken "capacity_below_taken" 409 {
        "More places than that are taken: `taken`. Cancel some sign-ups first, or keep as many."
        "已占用的名额（taken）多于该数，请先取消部分报名或保留足够名额。"
        "已佔用的名額（taken）多於該數，請先取消部分報名或保留足夠名額。" }
    SessionInUse "session_in_use" 409 {
        "People have signed up for this session, `session_id`. It stays; set its capacity instead."
        "该场次（session_id）已有人报名，不能删除，可调整名额。"
        "該場次（session_id）已有人報名，不能刪除，可調整名額。" }
    SignUpsBegun "sign_ups_begun" 409 {
        "People have signed up: what is asked of them, and whose people are limited, cannot change any more."
        "已有人报名，报名问题和限额组织不能再修改。"
        "已有人報名，報名問題和限額組織不能再修改。" }

    // Lessons.
    LessonInReview "lesson_in_review" 409 {
        "It is being reviewed and stands still until it is returned or published."
        "该课程正在审核，退回或发布之前不能修改。"
        "該課程正在審核，退回或發布之前不能修改。" }
    LessonNotInReview "lesson_not_in_review" 409 {
        "Nobody has asked for a review of it. Submit it first."
        "该课程尚未提交审核，请先提交。"
        "該課程尚未提交審核，請先提交。" }
    LessonIncomplete "lesson_incomplete" 409 {
        "There is nothing to study in it yet: an article needs a body, a video or an audio its file."
        "课程还没有可学习的内容：图文需要正文，视频或音频需要上传文件。"
        "課程還沒有可學習的內容：圖文需要正文，影片或音訊需要上傳檔案。" }
    LessonArchived "lesson_archived" 409 {
        "The lesson has been archived. Make a new one."
        "该课程已归档，请新建课程。"
        "該課程已歸檔，請新建課程。" }
    SeriesEmpty "series_empty" 409 {
        "There is no lesson in the series. Put one in first."
        "专题中还没有课程，请先加入课程。"
        "專題中還沒有課程，請先加入課程。" }
    SeriesArchived "series_archived" 409 {
        "The series has been archived. Make a new one."
        "该专题已归档，请新建专题。"
        "該專題已歸檔，請新建專題。" }

    // Study.
    ReviewAlreadyDecided "review_already_decided" 409 {
        "This has been decided, or was credited meanwhile."
        "该项已处理，或已自动计入。"
        "該項已處理，或已自動計入。" }

    // Quizzes.
    AttemptsExhausted "attempts_exhausted" 409 {
        "All attempts at this quiz have been used. Ask your lecturer."
        "该测验的作答次数已用完，请联系讲师。"
        "該測驗的作答次數已用完，請聯絡講師。" }
    AlreadyHandedIn "already_handed_in" 409 {
        "This attempt was handed in before, with other answers; those count."
        "该次作答已提交过其他答案，以先提交的为准。"
        "該次作答已提交過其他答案，以先提交的為準。" }
    AttemptExpired "attempt_expired" 409 {
        "The time for this attempt is over. Start another one."
        "该次作答已超时，请重新开始。"
        "該次作答已逾時，請重新開始。" }

    StudyPlanPublished "study_plan_published" 409 {
        "The plan is published: only its words can be changed, and its day moved to a later one."
        "计划已发布，只能修改说明，或推迟截止日期。"
        "計劃已發布，只能修改說明，或延後截止日期。" }
    StudyPlanNotPublished "study_plan_not_published" 409 {
        "The plan asks nobody now. Publish it first."
        "计划尚未生效，请先发布。"
        "計劃尚未生效，請先發布。" }
    StudyPlanCancelled "study_plan_cancelled" 409 {
        "The plan has been cancelled. Make a new one."
        "计划已取消，请新建计划。"
        "計劃已取消，請新建計劃。" }

    // Costs.
    OwnExpense "own_expense" 403 {
        "You submitted this expense yourself: somebody else decides on it. You can withdraw it while nobody has."
        "该支出由您本人提交，须由他人审批；审批前您可以撤回。"
        "該支出由您本人提交，須由他人審批；審批前您可以撤回。" }
    ExpenseDecided "expense_decided" 409 {
        "This expense was decided on or withdrawn before; `state` says how it stands."
        "该支出已审批或已撤回，当前状态见 state。"
        "該支出已審批或已撤回，目前狀態見 state。" }
    ExpenseNotApproved "expense_not_approved" 409 {
        "Only an approved expense can be annulled; `state` says how this one stands."
        "只有已批准的支出可以作废，当前状态见 state。"
        "只有已批准的支出可以作廢，目前狀態見 state。" }
    LeaderboardOff "leaderboard_off" 403 {
        "This organization shows no leaderboards. An admin can turn them on in its settings."
        "本组织未开启排行榜，可由管理员在设置中开启。"
        "本組織未開啟排行榜，可由管理員在設定中開啟。" }
    LeaderboardHidden "leaderboard_hidden" 403 {
        "This organization does not show this ranking; `mode` says what it shows: own_rank one's own rank, branches_only how branches stand."
        "本组织不公开该排行；mode 表示公开范围：own_rank 仅本人名次，branches_only 仅支部排行。"
        "本組織不公開該排行；mode 表示公開範圍：own_rank 僅本人名次，branches_only 僅支部排行。" }
    OwnAward "own_award" 403 {
        "Nobody proposes points for themselves, or approves what they have proposed: somebody else does."
        "不能为本人申报积分，也不能审批本人提出的申报，须由他人办理。"
        "不能為本人申報積分，也不能審批本人提出的申報，須由他人辦理。" }
    AwardDecided "award_decided" 409 {
        "This award was decided on or withdrawn before; `state` says how it stands."
        "该积分申报已审批或已撤回，当前状态见 state。"
        "該積分申報已審批或已撤回，目前狀態見 state。" }
    AwardNotApproved "award_not_approved" 409 {
        "Only an approved award can be annulled; `state` says how this one stands."
        "只有已批准的积分申报可以作废，当前状态见 state。"
        "只有已批准的積分申報可以作廢，目前狀態見 state。" }
    OtherCurrency "other_currency" 409 {
        "An organization has one currency in a year; here it is `currency`."
        "同一组织同一年度只使用一种货币，此处为 currency。"
        "同一組織同一年度只使用一種貨幣，此處為 currency。" }

    // Sharing.
    EventNotBegun "event_not_begun" 409 {
        "The event has not begun. What it meant to you can be shared from `starts_at` on."
        "活动尚未开始，请在活动开始（starts_at）后再分享心得。"
        "活動尚未開始，請在活動開始（starts_at）後再分享心得。" }
    AlreadyShared "already_shared" 409 {
        "You have shared a reflection on this event: change it, or withdraw it first. `reflection_id` names it."
        "您已提交过本次活动的心得，可修改或先撤回，编号见 reflection_id。"
        "您已提交過本次活動的心得，可修改或先撤回，編號見 reflection_id。" }
    ReflectionStatus "reflection_status" 409 {
        "As this reflection stands that cannot be done to it; `state` says how it stands."
        "该心得在当前状态下不能执行此操作，状态见 state。"
        "該心得在目前狀態下不能執行此操作，狀態見 state。" }
    LimitReached "limit_reached" 409 {
        "There are as many as there may be; `limit` says how many. Take one away first."
        "数量已达上限（见 limit），请先移除一项。"
        "數量已達上限（見 limit），請先移除一項。" }
    PictureUnreadable "picture_unreadable" 422 {
        "This picture is broken or cut off. Send it again, or another one."
        "图片已损坏或不完整，请重新发送或更换图片。"
        "圖片已損壞或不完整，請重新傳送或更換圖片。" }

    // Media.
    RangeNotSatisfiable "range_not_satisfiable" 416 {
        "The file ends before the range begins; `size_bytes` says how long it is."
        "请求的范围超出文件大小，文件大小见 size_bytes。"
        "請求的範圍超出檔案大小，檔案大小見 size_bytes。" }
    MediaInUse "media_in_use" 409 {
        "A lesson uses this file, or did when it was published, or it is the receipt of an expense or a material of an event. It stays for as long as that is on record."
        "该文件正被课程使用（含已发布的版本），或为支出凭证、活动资料，不能删除。"
        "該檔案正被課程使用（含已發布的版本），或為支出憑證、活動資料，不能刪除。" }
    MediaNotReady "media_not_ready" 409 {
        "This file cannot be used: it is not ready yet, or it was refused. `GET /media/{id}` says which."
        "该文件尚未就绪或未通过检查，请用 GET /media/{id} 查看。"
        "該檔案尚未就緒或未通過檢查，請用 GET /media/{id} 查看。" }
    MediaQuotaExceeded "media_quota_exceeded" 413 {
        "The files of this organization's tree would take more room than is allowed. Delete some that nothing uses."
        "本组织的文件空间不足，请删除未被使用的文件。"
        "本組織的檔案空間不足，請刪除未被使用的檔案。" }
    MediaUrlExpired "media_url_expired" 410 {
        "This address of a file has ended. Load what it came with again for a fresh one."
        "文件链接已失效，请重新打开所在页面。"
        "檔案連結已失效，請重新開啟所在頁面。" }
    TusVersion "tus_version" 412 {
        "Uploads speak tus 1.0.0: send `Tus-Resumable: 1.0.0`."
        "上传使用 tus 1.0.0 协议，请发送 Tus-Resumable: 1.0.0。"
        "上傳使用 tus 1.0.0 協定，請傳送 Tus-Resumable: 1.0.0。" }
    UploadExpired "upload_expired" 410 {
        "This upload was left for too long and is gone. Begin again."
        "上传中断过久，已被清除，请重新上传。"
        "上傳中斷過久，已被清除，請重新上傳。" }
    UploadOffset "upload_offset" 409 {
        "The bytes do not go on where the upload stands; `offset` says where. Ask with HEAD and go on from there."
        "续传位置不符，请用 HEAD 查询 offset 后继续。"
        "續傳位置不符，請用 HEAD 查詢 offset 後繼續。" }
    UploadLocked "upload_locked" 423 {
        "Another request is writing to this upload. Wait a little, ask with HEAD, and go on."
        "该文件正由另一请求写入，请稍候用 HEAD 查询后继续。"
        "該檔案正由另一請求寫入，請稍候用 HEAD 查詢後繼續。" }
    ChecksumMismatch "checksum_mismatch" 460 {
        "The bytes were damaged on the way and are not kept. Send them again."
        "数据在传输中损坏，未保存，请重新发送。"
        "資料在傳輸中損壞，未儲存，請重新傳送。" }

    // Check-in.
    InvalidCode "invalid_code" 422 {
        "This is not a check-in code of ours. Scan the code on the screen again."
        "签到码无效，请重新扫描屏幕上的签到码。"
        "簽到碼無效，請重新掃描螢幕上的簽到碼。" }
    ExpiredCode "expired_code" 410 {
        "This code is too old. Scan the code on the screen again."
        "签到码已过期，请重新扫描屏幕上的签到码。"
        "簽到碼已過期，請重新掃描螢幕上的簽到碼。" }
    SyncTokenOutdated "sync_token_outdated" 410 {
        "A list of changes would leave out what you are no longer expected at. Read the whole list again, without `updated_since`."
        "仅凭变更无法得知哪些活动已不再需要您参加，请去掉 updated_since 重新读取完整列表。"
        "僅憑變更無法得知哪些活動已不再需要您參加，請去掉 updated_since 重新讀取完整清單。" }
    NotOpenYet "not_open_yet" 409 {
        "Check-in has not opened yet; `opens_at` says when it does."
        "签到尚未开始，开始时间见 opens_at。"
        "簽到尚未開始，開始時間見 opens_at。" }
    Closed "closed" 409 {
        "Check-in is closed. Ask the organiser to mark you by hand."
        "签到已结束，请联系组织者手动登记。"
        "簽到已結束，請聯絡組織者手動登記。" }
    NotExpected "not_expected" 403 {
        "You are not on the list for this event. If you should be, ask the organiser to mark you by hand."
        "您不在本次活动的应到名单中，如有疑问请联系组织者手动登记。"
        "您不在本次活動的應到名單中，如有疑問請聯絡組織者手動登記。" }
    OnLeave "on_leave" 409 {
        "Your leave for this event was approved. If you come after all, take the request back; if you came, ask the organiser to mark you by hand."
        "您本次活动已请假获批。如仍要参加，请先撤回请假；如已到场，请联系组织者手动登记。"
        "您本次活動已請假獲准。如仍要參加，請先撤回請假；如已到場，請聯絡組織者手動登記。" }
    AlreadyCheckedIn "already_checked_in" 409 {
        "Already checked in; `check_in` is the record."
        "已经签到，记录见 check_in。"
        "已經簽到，紀錄見 check_in。" }
    AlreadyCheckedOut "already_checked_out" 409 {
        "Already checked out; `check_in` is the record."
        "已经签退，记录见 check_in。"
        "已經簽退，紀錄見 check_in。" }
    NotCheckedIn "not_checked_in" 409 {
        "Nobody checks out who was not checked in at that time. Check in first, or ask the organiser."
        "签退前须先签到；如有疑问请联系组织者。"
        "簽退前須先簽到；如有疑問請聯絡組織者。" }
    CheckpointInUse "checkpoint_in_use" 409 {
        "Somebody has passed this point: it stays, with its name and kind."
        "该签到点已有人经过，不能删除，也不能更改名称和类型。"
        "該簽到點已有人經過，不能刪除，也不能更改名稱和類型。" }
    NoCheckOut "no_check_out" 409 {
        "This event has no check-out. Add one to its points first."
        "本次活动没有签退点，请先添加。"
        "本次活動沒有簽退點，請先新增。" }
    NotCheckedOut "not_checked_out" 409 {
        "They have not checked out. Once the event is over, say how long they served, and why."
        "该人员尚未签退。活动结束后可填写时长并说明原因。"
        "該人員尚未簽退。活動結束後可填寫時長並說明原因。" }
    OutsideArea "outside_area" 403 {
        "You seem to be away from the meeting place. If you are there, ask the organiser to mark you by hand."
        "您似乎不在活动地点，如已到场请联系组织者手动登记。"
        "您似乎不在活動地點，如已到場請聯絡組織者手動登記。" }
    LocationRequired "location_required" 422 {
        "This event asks where you are at the moment of check-in. Allow the location and repeat."
        "本次活动签到需要位置，请允许获取位置后重试。"
        "本次活動簽到需要位置，請允許取得位置後重試。" }
    EventCancelled "event_cancelled" 409 {
        "This event was cancelled."
        "该活动已取消。"
        "該活動已取消。" }
    OfflineNotAllowed "offline_not_allowed" 409 {
        "This event does not take check-ins made offline. Ask the organiser to mark you by hand."
        "本次活动不接受离线签到，请联系组织者手动登记。"
        "本次活動不接受離線簽到，請聯絡組織者手動登記。" }
    ClientEventIdReused "client_event_id_reused" 422 {
        "This client_event_id was used for something else. Make a new one."
        "该 client_event_id 已用于另一请求，请重新生成。"
        "該 client_event_id 已用於另一請求，請重新產生。" }
    AlreadyAnnulled "already_annulled" 409 {
        "This record was annulled before."
        "该记录已被撤销。"
        "該記錄已被撤銷。" }
    NotInReview "not_in_review" 409 {
        "This check-in does not wait for a decision."
        "该签到无需审核。"
        "該簽到無需審核。" }

    // Volunteering.
    NotVolunteering "not_volunteering" 409 {
        "This event does not count as volunteering. Add the form first."
        "该活动不是志愿服务，请先添加该形式。"
        "該活動不是志願服務，請先新增該形式。" }
    HoursConfirmed "hours_confirmed" 409 {
        "These hours were confirmed before. Annul them to confirm others."
        "该时长已确认，如需更改请先撤销。"
        "該時長已確認，如需更改請先撤銷。" }
    DocumentFontMissing "document_font_missing" 503 {
        "This server has no font for documents. The administrator sets `documents.font`, or installs one with Chinese signs."
        "服务器未安装中文字体，请管理员设置 documents.font 或安装中文字体。"
        "伺服器未安裝中文字體，請管理員設定 documents.font 或安裝中文字體。" }

    // Devices of a room.
    DeviceCodeInvalid "device_code_invalid" 422 {
        "This enrolment code is wrong, used or expired. Ask the organiser for a new one."
        "设备登记码错误、已使用或已过期，请向组织者索取新的登记码。"
        "裝置登記碼錯誤、已使用或已過期，請向組織者索取新的登記碼。" }

    // Event templates.
    EventTemplateEnded "event_template_ended" 409 {
        "This template has ended. Write a new one."
        "该模板已停用，请新建模板。"
        "該範本已停用，請新建範本。" }
    OccurrenceMade "occurrence_made" 409 {
        "The event of this day is there already. Cancel the event instead."
        "当日活动已生成，请改为取消该活动。"
        "當日活動已產生，請改為取消該活動。" }

    // Guests.
    GuestExists "guest_exists" 409 {
        "A guest with this telephone number is on the list already."
        "该手机号码已登记为来宾。"
        "該手機號碼已登記為來賓。" }
    GuestLinkFull "guest_link_full" 409 {
        "All places of this address are taken. Ask the organiser."
        "该链接名额已满，请联系组织者。"
        "該連結名額已滿，請聯絡組織者。" }
    GuestLinkExpired "guest_link_expired" 410 {
        "It is too late to join by this address. Ask the organiser."
        "该链接报名已截止，请联系组织者。"
        "該連結報名已截止，請聯絡組織者。" }
    GuestCancelled "guest_cancelled" 409 {
        "This guest was taken off the list. Put them down anew."
        "该来宾已取消，请重新登记。"
        "該來賓已取消，請重新登記。" }

    // Webhooks.
    WebhookDisabled "webhook_disabled" 409 {
        "This webhook is disabled. Write it anew to send again."
        "该推送地址已停用，重新保存后即可恢复。"
        "該推送位址已停用，重新儲存後即可恢復。" }
    TooManyWebhooks "too_many_webhooks" 409 {
        "An organization has ten webhooks at most. Disable one first."
        "每个组织最多启用十个推送地址，请先停用一个。"
        "每個組織最多啟用十個推送位址，請先停用一個。" }
    DeliveryNotFailed "delivery_not_failed" 409 {
        "This message has arrived, or is on its way."
        "该消息已送达或正在发送。"
        "該訊息已送達或正在傳送。" }

    // Leave requests.
    LeaveTooLate "leave_too_late" 409 {
        "Leave is asked for before the event begins."
        "请假须在活动开始前提出。"
        "請假須在活動開始前提出。" }
    LeaveAlreadyRequested "leave_already_requested" 409 {
        "There is a leave request for this event already."
        "本次活动已提交过请假。"
        "本次活動已提交過請假。" }
    LeaveAlreadyDecided "leave_already_decided" 409 {
        "This leave request has been decided."
        "该请假已审批。"
        "該請假已審批。" }
}
