//! A tenant with two branches and people in every role, made through the API by a system admin.

use serde_json::{Value, json};
use zhibu::auth::{self, AccountId};

use super::TestApp;

pub const PASSWORD: &str = "correct horse battery";

/// Ids and tokens of one tenant.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub root: String,
    pub branch_a: String,
    pub branch_b: String,
    pub system: String,
    pub admin: String,
    pub secretary_a: String,
    pub secretary_b: String,
    pub organizer_a: String,
    pub inspector: String,
    /// A full member of branch A, and one of branch B.
    pub member_a: String,
    pub member_a_id: String,
    pub member_b: String,
    pub member_b_id: String,
    pub mark: String,
}

pub fn member_body(organization: &str, name: &str, account: &str) -> Value {
    json!({ "name": name, "organization_id": organization, "account_name": account, "standing": "full" })
}

impl TestApp {
    /// Signs in a fresh system admin and builds a tenant.
    pub async fn tenant(&self) -> Tenant {
        let mark = new_mark();
        let system = self.system_admin(&format!("system-{mark}")).await;
        self.tenant_of(system, mark, true).await
    }

    /// One more tenant of that system admin. Its people have tokens, but no passwords: for tests that need many tenants.
    pub async fn another_tenant(&self, system: &str) -> Tenant {
        self.tenant_of(system.to_owned(), new_mark(), false).await
    }

    /// A group below a branch.
    pub async fn group(&self, token: &str, branch: &str) -> String {
        let group = json!({ "name": "第一黨小組", "kind": "group", "parent_id": branch });
        self.post("/organizations", token, group).await.expect(201).id()
    }

    async fn tenant_of(&self, system: String, mark: String, signs_in: bool) -> Tenant {
        let organization = |name: &str, kind: &str, parent: Option<&str>| json!({ "name": name, "kind": kind, "parent_id": parent });
        let root = self
            .post(
                "/organizations",
                &system,
                organization("機關黨委", "committee", None),
            )
            .await
            .expect(201)
            .id();
        let branch_a = self
            .post(
                "/organizations",
                &system,
                organization("第一黨支部", "branch", Some(&root)),
            )
            .await
            .expect(201)
            .id();
        let branch_b = self
            .post(
                "/organizations",
                &system,
                organization("第二黨支部", "branch", Some(&root)),
            )
            .await
            .expect(201)
            .id();
        let mut tenant = Tenant {
            root: root.clone(),
            branch_a: branch_a.clone(),
            branch_b: branch_b.clone(),
            system,
            admin: String::new(),
            secretary_a: String::new(),
            secretary_b: String::new(),
            organizer_a: String::new(),
            inspector: String::new(),
            member_a: String::new(),
            member_a_id: String::new(),
            member_b: String::new(),
            member_b_id: String::new(),
            mark,
        };
        tenant.admin = self
            .somebody(&tenant, &root, "管理員", Some((&root, "admin")), signs_in)
            .await
            .1;
        tenant.secretary_a = self
            .somebody(
                &tenant,
                &branch_a,
                "甲書記",
                Some((&branch_a, "secretary")),
                signs_in,
            )
            .await
            .1;
        tenant.secretary_b = self
            .somebody(
                &tenant,
                &branch_b,
                "乙書記",
                Some((&branch_b, "secretary")),
                signs_in,
            )
            .await
            .1;
        tenant.organizer_a = self
            .somebody(
                &tenant,
                &branch_a,
                "甲組織",
                Some((&branch_a, "organizer")),
                signs_in,
            )
            .await
            .1;
        tenant.inspector = self
            .somebody(&tenant, &root, "督查員", Some((&root, "inspector")), signs_in)
            .await
            .1;
        (tenant.member_a_id, tenant.member_a) =
            self.somebody(&tenant, &branch_a, "甲成員", None, signs_in).await;
        (tenant.member_b_id, tenant.member_b) =
            self.somebody(&tenant, &branch_b, "乙成員", None, signs_in).await;
        tenant
    }

    /// A member with a password and perhaps a role: id and access token.
    pub async fn person(
        &self,
        tenant: &Tenant,
        home: &str,
        name: &str,
        role: Option<(&str, &str)>,
    ) -> (String, String) {
        self.somebody(tenant, home, name, role, true).await
    }

    async fn somebody(
        &self,
        tenant: &Tenant,
        home: &str,
        name: &str,
        role: Option<(&str, &str)>,
        signs_in: bool,
    ) -> (String, String) {
        let account = format!("p-{}-{}", tenant.mark, hex::encode(rand::random::<[u8; 4]>()));
        let id = self
            .post("/members", &tenant.system, member_body(home, name, &account))
            .await
            .expect(201)
            .id();
        if let Some((organization, role)) = role {
            let body = json!({ "member_id": id, "role": role });
            self.post(
                &format!("/organizations/{organization}/roles"),
                &tenant.system,
                body,
            )
            .await
            .expect(201);
        }
        let token = if signs_in {
            self.give_password(AccountId(id.parse().unwrap())).await;
            self.login(&account).await
        } else {
            self.token_of(&id, &tenant.root)
        };
        (id, token)
    }

    pub async fn system_admin(&self, account: &str) -> String {
        let (now, ids, name) = (self.now(), self.app.ids.clone(), account.to_owned());
        let id = self
            .app
            .db
            .write(move |conn| auth::create_system_admin(conn, now, &ids, &name))
            .await
            .unwrap();
        self.give_password(id).await;
        self.login(account).await
    }

    /// One hash for everybody.
    pub async fn give_password(&self, id: AccountId) {
        static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let memory = self.app.config.auth.hashing_memory_kib;
        let hash = HASH.get_or_init(|| auth::hash_password(PASSWORD, memory).unwrap());
        let now = self.now();
        self.app
            .db
            .write(move |conn| auth::set_password(conn, now, id, hash))
            .await
            .unwrap();
    }

    pub async fn login(&self, account: &str) -> String {
        let body = json!({ "account": account, "password": PASSWORD });
        self.post("/auth/login", "", body)
            .await
            .expect(200)
            .text("/access_token")
    }

    /// Signs somebody in without a password: for crowds.
    pub fn token_of(&self, member: &str, tenant: &str) -> String {
        let actor = auth::Actor {
            account: AccountId(member.parse().unwrap()),
            session: auth::SessionId(new_uuid().parse().unwrap()),
            tenant: Some(tenant.parse().unwrap()),
            is_system_admin: false,
        };
        self.app.auth.access_token(&actor, self.now()).unwrap().0
    }

    /// A published event of `organization`, open for check-in now.
    pub async fn open_event(&self, token: &str, organization: &str, change: Value) -> String {
        let mut body = json!({
            "organization_id": organization, "title": "支部黨員大會", "place": "三樓會議室",
            "starts_at": self.in_s(600), "ends_at": self.in_s(6_000), "forms": ["general_meeting"],
        });
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let id = self.post("/events", token, body).await.expect(201).id();
        self.act(&format!("/events/{id}/publish"), token)
            .await
            .expect(200);
        id
    }

    pub async fn code(&self, token: &str, event: &str) -> String {
        self.get(&format!("/events/{event}/code"), token)
            .await
            .expect(200)
            .text("/code")
    }

    /// A check-in body with a fresh client event id.
    pub fn with_code(&self, code: &str) -> Value {
        json!({ "code": code, "client_event_id": new_uuid(), "occurred_at": self.in_s(0) })
    }
}

fn new_mark() -> String {
    hex::encode(rand::random::<[u8; 4]>())
}

pub fn new_uuid() -> String {
    uuid::Uuid::from_bytes(rand::random()).to_string()
}
