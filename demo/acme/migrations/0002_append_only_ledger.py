"""The ledger is added to and read; the database refuses everything else."""

from __future__ import annotations

from django.db import migrations

GUARD = """
CREATE FUNCTION acme_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only';
END
$$;
CREATE TRIGGER acme_ledger_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON acme_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION acme_ledger_is_append_only();
"""

NO_GUARD = """
DROP TRIGGER acme_ledger_is_append_only ON acme_ledgerentry;
DROP FUNCTION acme_ledger_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("acme", "0001_initial")]
    operations = [migrations.RunSQL(GUARD, NO_GUARD)]
