//! Lessons of invented Chinese: 30,000 words of two out of 3,000 signs, the n-th commonest 1/n as common as the first, so that some
//! stand in every lesson and most in a few.

use diesel::prelude::*;
use zhibu::app::App;
use zhibu::organizations::OrganizationId;
use zhibu::platform::db::schema::{lesson_organizations, lesson_versions, lessons};
use zhibu::platform::db::{AnyId, DbConnection, Instant, Json};
use zhibu::platform::error::AppResult;

const WORDS: usize = 30_000;

/// The same numbers each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A rank by Zipf's law: the logarithm of ranks is spread evenly.
    fn word(&mut self) -> [char; 2] {
        word((WORDS as f64).powf(self.roll()) as usize)
    }

    fn text(&mut self, signs: usize) -> String {
        (0..signs / 2).flat_map(|_| self.word()).collect()
    }
}

fn word(rank: usize) -> [char; 2] {
    let mut dice = Dice(rank as u64 * 7_919 + 1);
    let mut sign = || {
        dice.roll();
        let at = (dice.roll() * 3_000.0) as u32;
        char::from_u32(0x4E00 + at).unwrap_or('黨')
    };
    [sign(), sign()]
}

/// One word a line, common and rare ones alike.
pub fn queries() -> String {
    let mut dice = Dice(42);
    (0..2_000)
        .map(|_| {
            let [one, two] = word((dice.roll() * WORDS as f64) as usize);
            format!("{one}{two}\n")
        })
        .collect()
}

pub async fn publish(app: &App, tenant: OrganizationId, count: usize) -> AppResult<()> {
    let ids: Vec<AnyId> = (0..count).map(|_| app.ids.make()).collect();
    let now = app.clock.now();
    for chunk in ids.chunks(2_000) {
        let chunk = chunk.to_vec();
        app.db
            .write_long(move |conn| {
                let mut dice = Dice(chunk.first().map_or(0, |id| id.0.as_u128() as u64));
                for id in &chunk {
                    insert(conn, *id, tenant, now, &mut dice)?;
                }
                Ok(())
            })
            .await?;
    }
    Ok(())
}

fn insert(
    conn: &mut DbConnection,
    id: AnyId,
    tenant: OrganizationId,
    now: Instant,
    dice: &mut Dice,
) -> AppResult<()> {
    let (title, summary, transcript) = (dice.text(12), dice.text(60), dice.text(1_200));
    diesel::insert_into(lessons::table)
        .values((
            (
                lessons::id.eq(id),
                lessons::tenant_id.eq(tenant),
                lessons::organization_id.eq(tenant),
                lessons::kind.eq("article"),
                lessons::status.eq("published"),
                lessons::title.eq(&title),
                lessons::summary.eq(&summary),
                lessons::body.eq(""),
                lessons::transcript.eq(&transcript),
            ),
            (
                lessons::threshold_permille.eq(900),
                lessons::speed_percent.eq(200),
                lessons::audience_standings.eq(15),
                lessons::published_number.eq(1),
                lessons::version.eq(1),
                lessons::created_at.eq(now),
                lessons::updated_at.eq(now),
            ),
        ))
        .execute(conn)?;
    diesel::insert_into(lesson_versions::table)
        .values((
            lesson_versions::lesson_id.eq(id),
            lesson_versions::number.eq(1),
            lesson_versions::tenant_id.eq(tenant),
            lesson_versions::title.eq(&title),
            lesson_versions::summary.eq(&summary),
            lesson_versions::body.eq(""),
            lesson_versions::body_html.eq(""),
            lesson_versions::transcript.eq(&transcript),
            lesson_versions::duration_ms.eq(60_000),
            lesson_versions::sections.eq(Json(serde_json::json!([]))),
            lesson_versions::threshold_permille.eq(900),
            lesson_versions::speed_percent.eq(200),
            lesson_versions::published_at.eq(now),
        ))
        .execute(conn)?;
    diesel::insert_into(lesson_organizations::table)
        .values((
            lesson_organizations::lesson_id.eq(id),
            lesson_organizations::organization_id.eq(tenant),
            lesson_organizations::tenant_id.eq(tenant),
        ))
        .execute(conn)?;
    Ok(())
}
