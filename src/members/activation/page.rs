//! Activation codes as cards on A4, to print, cut and hand out. One file, no script, nothing loaded.

use super::service::IssuedCode;

const HEAD: &str = r#"<!doctype html>
<html lang="zh-Hans"><head><meta charset="utf-8"><title>激活码 / Activation codes</title><style>
@page { size: A4; margin: 10mm }
body { margin: 0; font: 10.5pt/1.45 "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; color: #000 }
main { display: grid; grid-template-columns: 1fr 1fr }
article { box-sizing: border-box; height: 55mm; padding: 5mm; border: 1px dashed #888; break-inside: avoid; overflow: hidden }
h1 { margin: 0; font-size: 14pt } p { margin: 0 0 1mm } .en { font-size: 8.5pt; color: #444 }
.code { font: bold 16pt/1.5 ui-monospace, Menlo, Consolas, monospace; letter-spacing: .06em }
</style></head><body><main>
"#;

pub fn cards(codes: &[IssuedCode], url: &str) -> String {
    let mut html = String::from(HEAD);
    let url = escape(url);
    for issued in codes {
        let name = escape(&issued.member.member.name);
        let branch = escape(&issued.member.organization_name);
        let code = escape(&issued.code);
        let until = issued.expires_at.utc().format("%Y-%m-%d");
        html.push_str(&format!(
            "<article><h1>{name}</h1><p>{branch}</p><p class=\"code\">{code}</p>\
             <p>打开 {url} ，选择“首次登录”，输入激活码并设置密码。有效期至 {until}，仅可使用一次，请勿转交他人。</p>\
             <p class=\"en\">Open {url}, choose “first sign-in”, type the code and set a password. \
             Good once, until {until} (UTC). Keep it to yourself.</p></article>\n"
        ));
    }
    html.push_str("</main></body></html>\n");
    html
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        assert_eq!(
            escape("<b>\"A&B's\"</b>"),
            "&lt;b&gt;&quot;A&amp;B&#39;s&quot;&lt;/b&gt;"
        );
    }
}
