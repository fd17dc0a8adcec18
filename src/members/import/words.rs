//! Why a row was refused, in words that say what to do.

use crate::platform::error::Language;

pub fn message(code: &str, language: Language) -> &'static str {
    let (en, hans, hant) = words(code);
    match language {
        Language::En => en,
        Language::ZhHans => hans,
        Language::ZhHant => hant,
    }
}

#[rustfmt::skip]
fn words(code: &str) -> (&'static str, &'static str, &'static str) {
    match code {
        "required_column_missing" => ("This column is needed.", "缺少此列。", "缺少此欄。"),
        "column_duplicate" => ("This column stands twice.", "此列重复。", "此欄重複。"),
        "no_rows" => ("There is no row below the headers.", "表头下没有数据行。", "標題列下沒有資料。"),
        "name_missing" => ("A name is needed.", "缺少姓名。", "缺少姓名。"),
        "name_too_long" => ("The name is longer than 50 characters.", "姓名超过 50 个字符。", "姓名超過 50 個字元。"),
        "name_invalid" => ("The name holds characters that do not belong in one.", "姓名含有无效字符。", "姓名含有無效字元。"),
        "phone_invalid" => ("Neither a mainland mobile number nor an international one with +.", "手机号无效：请填写大陆手机号，或带 + 的国际号码。", "手機號碼無效：請填寫大陸手機號碼，或帶 + 的國際號碼。"),
        "phone_duplicate_in_file" => ("Another row has this phone number.", "文件中另一行已有此手机号。", "檔案中另一列已有此手機號碼。"),
        "employee_no_invalid" => ("An employee number has letters, digits, - _ . / or # only, at most 32.", "工号只能包含字母、数字和 - _ . / #，最多 32 个字符。", "工號只能包含字母、數字和 - _ . / #，最多 32 個字元。"),
        "employee_no_duplicate_in_file" => ("Another row has this employee number.", "文件中另一行已有此工号。", "檔案中另一列已有此工號。"),
        "phone_or_employee_no_missing" => ("A phone number or an employee number is needed.", "手机号和工号至少填写一项。", "手機號碼和工號至少填寫一項。"),
        "standing_unknown" => ("Not a standing that is known here.", "无法识别的党员类别。", "無法識別的黨員類別。"),
        "organization_invalid" => ("Not a name of an organization.", "支部名称无效。", "支部名稱無效。"),
        "date_invalid" => ("Not a date like 2026-07-01.", "日期无效，请按 2026-07-01 的格式填写。", "日期無效，請按 2026-07-01 的格式填寫。"),
        "organization_unknown" => ("No organization of this name belongs to the one you import into.", "所选组织及其下级中没有此名称的组织。", "所選組織及其下級中沒有此名稱的組織。"),
        "organization_ambiguous" => ("Several organizations below have this name: import into the right one.", "有多个同名组织，请直接导入到对应组织。", "有多個同名組織，請直接匯入到對應組織。"),
        "member_elsewhere" => ("Somebody with this phone or employee number belongs to an organization you do not import into.", "该手机号或工号已属于所选组织以外的成员。", "該手機號碼或工號已屬於所選組織以外的成員。"),
        "member_inactive" => ("This member is deactivated. Reactivate the member first, or take the row out.", "该成员已停用，请先恢复或删除此行。", "該成員已停用，請先恢復或刪除此列。"),
        "member_duplicate_in_file" => ("Another row means the same member.", "文件中另一行是同一成员。", "檔案中另一列是同一成員。"),
        "identity_conflict" => ("Name, phone and employee number do not mean one and the same member. To mend a name, give the employee number too, or edit the member.", "姓名、手机号与工号不是同一成员。如需更正姓名，请同时填写工号，或直接修改该成员。", "姓名、手機號碼與工號不是同一成員。如需更正姓名，請同時填寫工號，或直接修改該成員。"),
        "member_has_more_rights" => ("This member has more rights than you: somebody above them changes what is known of them.", "该成员的权限高于您，请由其上级修改。", "該成員的權限高於您，請由其上級修改。"),
        _ => ("This row cannot be imported.", "此行无法导入。", "此列無法匯入。"),
    }
}
