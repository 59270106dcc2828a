"""Rows of the audit are chained inside the database: the head stays locked for one statement and the commit."""

from django.db import migrations

APPEND = """
-- The hash is the one of control.actions.audit.link: SHA-256 of the row's canonical JSON, of which `hashed` is all that
-- stands between the row's number and the hash of the row before.
CREATE FUNCTION control_audit_append(
    ats timestamptz[], actors bigint[], names text[], actions text[], kinds text[], keys text[], lines bigint[],
    olds text[], news text[], reasons text[], hashed text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last bigint;
    previous text;
    hashes text[] := '{}';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('control_audit_append'));  -- a queue: the next one is woken once and alone
    SELECT number, hash INTO STRICT last, previous FROM control_audithead WHERE id = 1 FOR UPDATE;
    FOR i IN 1 .. cardinality(hashed) LOOP
        hashes[i] := encode(sha256(convert_to(
            '[' || last + i || ',' || hashed[i] || ',"' || coalesce(hashes[i - 1], previous) || '"]', 'UTF8')), 'hex');
    END LOOP;
    INSERT INTO control_auditentry (number, at, actor_id, actor_name, action, object_type, object_id, line_id,
                                    old, new, reason, previous_hash, hash)
    SELECT last + i, ats[i], actors[i], names[i], actions[i], kinds[i], keys[i], lines[i],
           olds[i]::jsonb, news[i]::jsonb, reasons[i], coalesce(hashes[i - 1], previous), hashes[i]
    FROM generate_subscripts(hashed, 1) AS i;
    UPDATE control_audithead SET number = last + cardinality(hashed), hash = hashes[cardinality(hashed)] WHERE id = 1;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("control", "0013_outside_models")]

    operations = [
        migrations.RunSQL(APPEND, "DROP FUNCTION control_audit_append"),
    ]
