"""Keystone's growing tables as SQL: those of the releases, and rows about which a flush must decide.

Each row's id says what a run with the cutoff of NOW must do with it: `dead-...` goes, every other one stays.
"""

from __future__ import annotations

NOW = "2013-11-15 12:00:00"
# The cutoff, and what a run has to be told before it touches revocation events.
AT = ("--before", NOW, "--token-expiration", "3600")
MICROSECONDS = 1_384_516_800_000_000  # NOW, since 1970

GRIZZLY = """CREATE TABLE token (id VARCHAR(64) NOT NULL, expires DATETIME DEFAULT NULL, extra TEXT,
  valid TINYINT(1) NOT NULL, trust_id VARCHAR(64) DEFAULT NULL, user_id VARCHAR(64) DEFAULT NULL,
  PRIMARY KEY (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8"""
HAVANA = (
    GRIZZLY,
    "CREATE INDEX ix_token_expires ON token (expires)",
    "CREATE INDEX ix_token_expires_valid ON token (expires, valid)",
)
TOKENS = """INSERT INTO token VALUES
  ('dead-old', '2013-01-01 00:00:00', '{"a": "\\'\\n"}', 1, NULL, 'u'),
  ('dead-second', '2013-11-15 11:59:59', NULL, 1, 't', 'u'),
  ('dead-invalid', '2013-05-01 00:00:00', 'x', 0, NULL, NULL),
  ('edge', '2013-11-15 12:00:00', 'x', 1, NULL, 'u'), ('living', '2013-11-16 12:00:00', 'x', 1, NULL, 'u'),
  ('revoked', '2013-11-16 12:00:00', 'x', 0, NULL, 'u'), ('never', NULL, 'x', 1, NULL, 'u'),
  ('never-invalid', NULL, 'x', 0, NULL, 'u')"""

TRUSTS = (
    """CREATE TABLE trust (id VARCHAR(64) NOT NULL PRIMARY KEY, trustor_user_id VARCHAR(64) NOT NULL,
  trustee_user_id VARCHAR(64) NOT NULL, project_id VARCHAR(64), impersonation TINYINT(1) NOT NULL, deleted_at DATETIME,
  expires_at DATETIME, extra TEXT) ENGINE=InnoDB DEFAULT CHARSET=utf8""",
    """CREATE TABLE trust_role (trust_id VARCHAR(64) NOT NULL, role_id VARCHAR(64) NOT NULL,
  PRIMARY KEY (trust_id, role_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8""",
    f"""INSERT INTO trust VALUES ('dead-expired', 'a', 'b', 'p', 1, NULL, '2013-11-15 11:00:00', '{{}}'),
  ('dead-deleted', 'a', 'b', 'p', 1, '2013-01-01 00:00:00', NULL, '{{}}'),
  ('dead-deleted-early', 'a', 'b', 'p', 1, '2013-01-01 00:00:00', '2014-01-01 00:00:00', '{{}}'),
  ('living', 'a', 'b', 'p', 1, NULL, '2013-11-15 13:00:00', '{{}}'), ('edge', 'a', 'b', 'p', 0, NULL, '{NOW}', '{{}}'),
  ('never', 'a', 'b', 'p', 1, NULL, NULL, '{{}}')""",
    """INSERT INTO trust_role SELECT t.id, r.role FROM trust t JOIN (SELECT 'r1' role UNION SELECT 'r2') r""",
)

EVENTS = (
    """CREATE TABLE revocation_event (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, domain_id VARCHAR(64),
  user_id VARCHAR(64), issued_before DATETIME NOT NULL, revoked_at DATETIME NOT NULL, audit_id VARCHAR(32),
  KEY ix_revocation_event_revoked_at (revoked_at)) ENGINE=InnoDB DEFAULT CHARSET=utf8""",
    """INSERT INTO revocation_event (audit_id, issued_before, revoked_at) VALUES
  ('dead-old', '2013-01-01', '2013-01-01'), ('dead-edge', '2013-11-15', '2013-11-15 10:29:59'),
  ('edge', '2013-11-15', '2013-11-15 10:30:00'), ('living', '2013-11-15', '2013-11-15 11:59:59')""",
)

CREDENTIALS = (
    """CREATE TABLE application_credential (internal_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL, expires_at BIGINT, secret_hash VARCHAR(255) NOT NULL)
  ENGINE=InnoDB DEFAULT CHARSET=utf8""",
    """CREATE TABLE application_credential_role (application_credential_id INT NOT NULL, role_id VARCHAR(64) NOT NULL,
  PRIMARY KEY (application_credential_id, role_id), CONSTRAINT acr FOREIGN KEY (application_credential_id)
  REFERENCES application_credential (internal_id) ON DELETE CASCADE) ENGINE=InnoDB DEFAULT CHARSET=utf8""",
    f"""INSERT INTO application_credential (id, name, expires_at, secret_hash) VALUES
  ('dead-old', 'a', {MICROSECONDS - 10**12}, 'h'), ('dead-microsecond', 'b', {MICROSECONDS - 1}, 'h'),
  ('edge', 'c', {MICROSECONDS}, 'h'), ('living', 'd', {MICROSECONDS + 1}, 'h'), ('never', 'e', NULL, 'h')""",
    "INSERT INTO application_credential_role SELECT internal_id, 'r1' FROM application_credential",
    "INSERT INTO application_credential_role SELECT internal_id, 'r2' FROM application_credential",
)

MEMBERSHIPS = (
    """CREATE TABLE identity_provider (id VARCHAR(64) NOT NULL PRIMARY KEY, enabled TINYINT(1) NOT NULL,
  authorization_ttl INT) ENGINE=InnoDB DEFAULT CHARSET=utf8""",
    """CREATE TABLE expiring_user_group_membership (user_id VARCHAR(64) NOT NULL, group_id VARCHAR(64) NOT NULL,
  idp_id VARCHAR(64) NOT NULL, last_verified DATETIME NOT NULL, PRIMARY KEY (user_id, group_id, idp_id),
  FOREIGN KEY (idp_id) REFERENCES identity_provider (id) ON DELETE CASCADE) ENGINE=InnoDB DEFAULT CHARSET=utf8""",
    "INSERT INTO identity_provider VALUES ('hour', 1, 60), ('open', 1, NULL), ('zero', 1, 0)",
    """INSERT INTO expiring_user_group_membership VALUES ('dead-1', 'g', 'hour', '2013-11-15 10:59:59'),
  ('dead-1', 'h', 'hour', '2012-01-01'), ('edge', 'g', 'hour', '2013-11-15 11:00:00'),
  ('living', 'g', 'hour', '2013-11-15 11:30:00'), ('unknown', 'g', 'open', '2012-01-01'),
  ('unknown', 'g', 'zero', '2012-01-01')""",
)

# The column that says what a row is for, by table.
LABELS = {
    "token": "id",
    "trust": "id",
    "trust_role": "trust_id",
    "revocation_event": "audit_id",
    "application_credential": "id",
    "expiring_user_group_membership": "user_id",
}
EVERYTHING = (*HAVANA, TOKENS, *TRUSTS, *EVENTS, *CREDENTIALS, *MEMBERSHIPS)
