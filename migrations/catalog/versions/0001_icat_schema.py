"""The ICAT 6.2 schema, sessions and passwords."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


_TABLES = (
    "related_datafile",
    "datafile_parameter",
    "data_collection_datafile",
    "dataset_technique",
    "dataset_parameter",
    "dataset_instrument",
    "datafile",
    "data_collection_dataset",
    "sample_parameter",
    "dataset",
    "affiliation",
    "subject",
    "study_investigation",
    "shift",
    "sample",
    "related_item",
    "publication",
    "keyword",
    "investigation_user",
    "investigation_parameter",
    "investigation_instrument",
    "investigation_group",
    "investigation_funding",
    "investigation_facility_cycle",
    "data_publication_user",
    "data_publication_funding",
    "data_publication_date",
    "data_collection_investigation",
    "permissible_string_value",
    "job",
    "investigation",
    "instrument_scientist",
    "data_publication",
    "data_collection_parameter",
    "user_group",
    "study",
    "sample_type",
    "rule_",
    "parameter_type",
    "investigation_type",
    "instrument",
    "facility_cycle",
    "dataset_type",
    "datafile_format",
    "data_publication_type",
    "application",
    "user_session",
    "user_",
    "technique",
    "public_step",
    "password",
    "grouping",
    "funding_reference",
    "failed_login",
    "facility",
    "data_collection",
)
"""In an order in which each can be dropped."""


def _identity() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", _ID, nullable=False),
        sa.Column("create_id", sa.String(length=255), nullable=False),
        sa.Column("create_time", _MOMENT, nullable=False),
        sa.Column("mod_id", sa.String(length=255), nullable=False),
        sa.Column("mod_time", _MOMENT, nullable=False),
    ]


def upgrade() -> None:
    """Bring the tables from the version before to this one."""
    op.create_table(
        "data_collection",
        sa.Column("doi", sa.String(length=255)),
        *_identity(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_collection")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "facility",
        sa.Column("days_until_release", sa.Integer()),
        sa.Column("description", sa.String(length=1023)),
        sa.Column("full_name", sa.String(length=255)),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("url", sa.String(length=255)),
        *_identity(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_facility")),
        sa.UniqueConstraint("name", name=op.f("uq_facility_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "failed_login",
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failure", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account", "address", name=op.f("pk_failed_login")),
    )
    op.create_index(
        op.f("ix_failed_login_last_failure"), "failed_login", ["last_failure"], unique=False
    )
    op.create_table(
        "funding_reference",
        sa.Column("acknowledgement", sa.String(length=1023)),
        sa.Column("award_number", sa.String(length=255), nullable=False),
        sa.Column("award_title", sa.String(length=255)),
        sa.Column("funder_identifier", sa.String(length=255)),
        sa.Column("funder_name", sa.String(length=255), nullable=False),
        *_identity(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_funding_reference")),
        sa.UniqueConstraint(
            "funder_name",
            "award_number",
            name=op.f("uq_funding_reference_funder_name_award_number"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "grouping",
        sa.Column("name", sa.String(length=255), nullable=False),
        *_identity(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grouping")),
        sa.UniqueConstraint("name", name=op.f("uq_grouping_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "password",
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("hash", sa.String(length=255)),
        sa.PrimaryKeyConstraint("user_name", name=op.f("pk_password")),
    )
    op.create_table(
        "public_step",
        sa.Column("field", sa.String(length=32), nullable=False),
        sa.Column("origin", sa.String(length=32), nullable=False),
        *_identity(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_public_step")),
        sa.UniqueConstraint("origin", "field", name=op.f("uq_public_step_origin_field")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "technique",
        sa.Column("description", sa.String(length=255)),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.String(length=255)),
        *_identity(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_technique")),
        sa.UniqueConstraint("name", name=op.f("uq_technique_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "user_",
        sa.Column("affiliation", sa.String(length=255)),
        sa.Column("email", sa.String(length=255)),
        sa.Column("family_name", sa.String(length=255)),
        sa.Column("full_name", sa.String(length=255)),
        sa.Column("given_name", sa.String(length=255)),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("orcid_id", sa.String(length=255)),
        *_identity(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_")),
        sa.UniqueConstraint("name", name=op.f("uq_user__name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "user_session",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("expires", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_user_session")),
    )
    op.create_index(op.f("ix_user_session_expires"), "user_session", ["expires"], unique=False)
    op.create_table(
        "application",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("facility_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name=op.f("fk_application_facility_id_facility"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application")),
        sa.UniqueConstraint(
            "facility_id", "name", "version", name=op.f("uq_application_facility_id_name_version")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "data_publication_type",
        sa.Column("description", sa.String(length=255)),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("facility_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name=op.f("fk_data_publication_type_facility_id_facility"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_publication_type")),
        sa.UniqueConstraint(
            "facility_id", "name", name=op.f("uq_data_publication_type_facility_id_name")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "datafile_format",
        sa.Column("description", sa.String(length=255)),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=255)),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("facility_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name=op.f("fk_datafile_format_facility_id_facility"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datafile_format")),
        sa.UniqueConstraint(
            "facility_id",
            "name",
            "version",
            name=op.f("uq_datafile_format_facility_id_name_version"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dataset_type",
        sa.Column("description", sa.String(length=255)),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("facility_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name=op.f("fk_dataset_type_facility_id_facility"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_type")),
        sa.UniqueConstraint("facility_id", "name", name=op.f("uq_dataset_type_facility_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "facility_cycle",
        sa.Column("description", sa.String(length=255)),
        sa.Column("end_date", _MOMENT),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("start_date", _MOMENT),
        sa.Column("facility_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name=op.f("fk_facility_cycle_facility_id_facility"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_facility_cycle")),
        sa.UniqueConstraint("facility_id", "name", name=op.f("uq_facility_cycle_facility_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "instrument",
        sa.Column("description", sa.String(length=4000)),
        sa.Column("end_date", _MOMENT),
        sa.Column("full_name", sa.String(length=255)),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.String(length=255)),
        sa.Column("start_date", _MOMENT),
        sa.Column("type", sa.String(length=255)),
        sa.Column("url", sa.String(length=255)),
        sa.Column("facility_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name=op.f("fk_instrument_facility_id_facility"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instrument")),
        sa.UniqueConstraint("facility_id", "name", name=op.f("uq_instrument_facility_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "investigation_type",
        sa.Column("description", sa.String(length=255)),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("facility_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name=op.f("fk_investigation_type_facility_id_facility"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_investigation_type")),
        sa.UniqueConstraint(
            "name", "facility_id", name=op.f("uq_investigation_type_name_facility_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_investigation_type_facility_id"),
        "investigation_type",
        ["facility_id"],
        unique=False,
    )
    op.create_table(
        "parameter_type",
        sa.Column("applicable_to_data_collection", sa.Boolean(), nullable=False),
        sa.Column("applicable_to_datafile", sa.Boolean(), nullable=False),
        sa.Column("applicable_to_dataset", sa.Boolean(), nullable=False),
        sa.Column("applicable_to_investigation", sa.Boolean(), nullable=False),
        sa.Column("applicable_to_sample", sa.Boolean(), nullable=False),
        sa.Column("description", sa.String(length=255)),
        sa.Column("enforced", sa.Boolean(), nullable=False),
        sa.Column("maximum_numeric_value", sa.Double()),
        sa.Column("minimum_numeric_value", sa.Double()),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.String(length=255)),
        sa.Column("units", sa.String(length=255), nullable=False),
        sa.Column("units_full_name", sa.String(length=255)),
        sa.Column(
            "value_type",
            sa.Enum(
                "DATE_AND_TIME",
                "NUMERIC",
                "STRING",
                name="ParameterValueType",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("facility_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name=op.f("fk_parameter_type_facility_id_facility"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parameter_type")),
        sa.UniqueConstraint(
            "facility_id", "name", "units", name=op.f("uq_parameter_type_facility_id_name_units")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rule_",
        sa.Column("crud_flags", sa.String(length=4), nullable=False),
        sa.Column("what", sa.String(length=1024), nullable=False),
        sa.Column("grouping_id", _ID),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["grouping_id"],
            ["grouping.id"],
            name=op.f("fk_rule__grouping_id_grouping"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_rule__grouping_id"), "rule_", ["grouping_id"], unique=False)
    op.create_table(
        "sample_type",
        sa.Column("molecular_formula", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("safety_information", sa.String(length=4000)),
        sa.Column("facility_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name=op.f("fk_sample_type_facility_id_facility"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sample_type")),
        sa.UniqueConstraint(
            "facility_id",
            "name",
            "molecular_formula",
            name=op.f("uq_sample_type_facility_id_name_molecular_formula"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "study",
        sa.Column("description", sa.String(length=4000)),
        sa.Column("end_date", _MOMENT),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.String(length=255)),
        sa.Column("start_date", _MOMENT),
        sa.Column(
            "status",
            sa.Enum(
                "NEW",
                "IN_PROGRESS",
                "COMPLETE",
                "CANCELLED",
                name="StudyStatus",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
        ),
        sa.Column("user_id", _ID),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_.id"], name=op.f("fk_study_user_id_user_"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_study_user_id"), "study", ["user_id"], unique=False)
    op.create_table(
        "user_group",
        sa.Column("grouping_id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["grouping_id"],
            ["grouping.id"],
            name=op.f("fk_user_group_grouping_id_grouping"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_.id"], name=op.f("fk_user_group_user_id_user_"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_group")),
        sa.UniqueConstraint(
            "user_id", "grouping_id", name=op.f("uq_user_group_user_id_grouping_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_user_group_grouping_id"), "user_group", ["grouping_id"], unique=False)
    op.create_table(
        "data_collection_parameter",
        sa.Column("data_collection_id", _ID, nullable=False),
        sa.Column("type_id", _ID, nullable=False),
        sa.Column("date_time_value", _MOMENT),
        sa.Column("error", sa.Double()),
        sa.Column("numeric_value", sa.Double()),
        sa.Column("range_bottom", sa.Double()),
        sa.Column("range_top", sa.Double()),
        sa.Column("string_value", sa.String(length=4000)),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["data_collection_id"],
            ["data_collection.id"],
            name=op.f("fk_data_collection_parameter_data_collection_id_data_collection"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["type_id"],
            ["parameter_type.id"],
            name=op.f("fk_data_collection_parameter_type_id_parameter_type"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_collection_parameter")),
        sa.UniqueConstraint(
            "data_collection_id",
            "type_id",
            name=op.f("uq_data_collection_parameter_data_collection_id_type_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_data_collection_parameter_date_time",
        "data_collection_parameter",
        ["type_id", "date_time_value", "data_collection_id"],
        unique=False,
        postgresql_where=sa.text("date_time_value IS NOT NULL"),
        sqlite_where=sa.text("date_time_value IS NOT NULL"),
    )
    op.create_index(
        "ix_data_collection_parameter_numeric",
        "data_collection_parameter",
        ["type_id", "numeric_value", "data_collection_id"],
        unique=False,
    )
    op.create_index(
        "ix_data_collection_parameter_string",
        "data_collection_parameter",
        ["type_id", "string_value", "data_collection_id"],
        unique=False,
        postgresql_where=sa.text("length(string_value) <= 200"),
        sqlite_where=sa.text("length(string_value) <= 200"),
    )
    op.create_table(
        "data_publication",
        sa.Column("description", sa.String(length=4000)),
        sa.Column("internal_id", sa.String(length=255)),
        sa.Column("pid", sa.String(length=255), nullable=False),
        sa.Column("publication_date", _MOMENT),
        sa.Column("subject", sa.String(length=1023)),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("content_id", _ID, nullable=False),
        sa.Column("facility_id", _ID, nullable=False),
        sa.Column("type_id", _ID),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["data_collection.id"],
            name=op.f("fk_data_publication_content_id_data_collection"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name=op.f("fk_data_publication_facility_id_facility"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["type_id"],
            ["data_publication_type.id"],
            name=op.f("fk_data_publication_type_id_data_publication_type"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_publication")),
        sa.UniqueConstraint("facility_id", "pid", name=op.f("uq_data_publication_facility_id_pid")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_data_publication_content_id"), "data_publication", ["content_id"], unique=False
    )
    op.create_index(
        op.f("ix_data_publication_type_id"), "data_publication", ["type_id"], unique=False
    )
    op.create_table(
        "instrument_scientist",
        sa.Column("instrument_id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["instrument_id"],
            ["instrument.id"],
            name=op.f("fk_instrument_scientist_instrument_id_instrument"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_.id"],
            name=op.f("fk_instrument_scientist_user_id_user_"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instrument_scientist")),
        sa.UniqueConstraint(
            "user_id", "instrument_id", name=op.f("uq_instrument_scientist_user_id_instrument_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_instrument_scientist_instrument_id"),
        "instrument_scientist",
        ["instrument_id"],
        unique=False,
    )
    op.create_table(
        "investigation",
        sa.Column("doi", sa.String(length=255)),
        sa.Column("end_date", _MOMENT),
        sa.Column("file_count", sa.BigInteger()),
        sa.Column("file_size", sa.BigInteger()),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("release_date", _MOMENT),
        sa.Column("start_date", _MOMENT),
        sa.Column("summary", sa.String(length=4000)),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("visit_id", sa.String(length=255), nullable=False),
        sa.Column("facility_id", _ID, nullable=False),
        sa.Column("type_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name=op.f("fk_investigation_facility_id_facility"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["type_id"],
            ["investigation_type.id"],
            name=op.f("fk_investigation_type_id_investigation_type"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_investigation")),
        sa.UniqueConstraint(
            "facility_id",
            "name",
            "visit_id",
            name=op.f("uq_investigation_facility_id_name_visit_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_investigation_type_id"), "investigation", ["type_id"], unique=False)
    op.create_table(
        "job",
        sa.Column("arguments", sa.String(length=255)),
        sa.Column("application_id", _ID, nullable=False),
        sa.Column("input_data_collection_id", _ID),
        sa.Column("output_data_collection_id", _ID),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["application.id"],
            name=op.f("fk_job_application_id_application"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["input_data_collection_id"],
            ["data_collection.id"],
            name=op.f("fk_job_input_data_collection_id_data_collection"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["output_data_collection_id"],
            ["data_collection.id"],
            name=op.f("fk_job_output_data_collection_id_data_collection"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_job_application_id"), "job", ["application_id"], unique=False)
    op.create_index(
        op.f("ix_job_input_data_collection_id"), "job", ["input_data_collection_id"], unique=False
    )
    op.create_index(
        op.f("ix_job_output_data_collection_id"), "job", ["output_data_collection_id"], unique=False
    )
    op.create_table(
        "permissible_string_value",
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("type_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["type_id"],
            ["parameter_type.id"],
            name=op.f("fk_permissible_string_value_type_id_parameter_type"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permissible_string_value")),
        sa.UniqueConstraint(
            "value", "type_id", name=op.f("uq_permissible_string_value_value_type_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_permissible_string_value_type_id"),
        "permissible_string_value",
        ["type_id"],
        unique=False,
    )
    op.create_table(
        "data_collection_investigation",
        sa.Column("data_collection_id", _ID, nullable=False),
        sa.Column("investigation_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["data_collection_id"],
            ["data_collection.id"],
            name=op.f("fk_data_collection_investigation_data_collection_id_data_collection"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_data_collection_investigation_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_collection_investigation")),
        sa.UniqueConstraint(
            "data_collection_id",
            "investigation_id",
            name=op.f("uq_data_collection_investigation_data_collection_id_investigation_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_data_collection_investigation_investigation_id"),
        "data_collection_investigation",
        ["investigation_id"],
        unique=False,
    )
    op.create_table(
        "data_publication_date",
        sa.Column("date", sa.String(length=255), nullable=False),
        sa.Column("date_type", sa.String(length=255), nullable=False),
        sa.Column("publication_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["data_publication.id"],
            name=op.f("fk_data_publication_date_publication_id_data_publication"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_publication_date")),
        sa.UniqueConstraint(
            "publication_id",
            "date_type",
            name=op.f("uq_data_publication_date_publication_id_date_type"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "data_publication_funding",
        sa.Column("data_publication_id", _ID, nullable=False),
        sa.Column("funding_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["data_publication_id"],
            ["data_publication.id"],
            name=op.f("fk_data_publication_funding_data_publication_id_data_publication"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["funding_id"],
            ["funding_reference.id"],
            name=op.f("fk_data_publication_funding_funding_id_funding_reference"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_publication_funding")),
        sa.UniqueConstraint(
            "data_publication_id",
            "funding_id",
            name=op.f("uq_data_publication_funding_data_publication_id_funding_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_data_publication_funding_funding_id"),
        "data_publication_funding",
        ["funding_id"],
        unique=False,
    )
    op.create_table(
        "data_publication_user",
        sa.Column("contributor_type", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=255)),
        sa.Column("family_name", sa.String(length=255)),
        sa.Column("full_name", sa.String(length=255)),
        sa.Column("given_name", sa.String(length=255)),
        sa.Column("order_key", sa.String(length=255)),
        sa.Column("publication_id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["data_publication.id"],
            name=op.f("fk_data_publication_user_publication_id_data_publication"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_.id"],
            name=op.f("fk_data_publication_user_user_id_user_"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_publication_user")),
        sa.UniqueConstraint(
            "publication_id",
            "user_id",
            "contributor_type",
            name=op.f("uq_data_publication_user_publication_id_user_id_contributor_type"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_data_publication_user_user_id"), "data_publication_user", ["user_id"], unique=False
    )
    op.create_table(
        "investigation_facility_cycle",
        sa.Column("facility_cycle_id", _ID, nullable=False),
        sa.Column("investigation_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["facility_cycle_id"],
            ["facility_cycle.id"],
            name=op.f("fk_investigation_facility_cycle_facility_cycle_id_facility_cycle"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_investigation_facility_cycle_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_investigation_facility_cycle")),
        sa.UniqueConstraint(
            "facility_cycle_id",
            "investigation_id",
            name=op.f("uq_investigation_facility_cycle_facility_cycle_id_investigation_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_investigation_facility_cycle_investigation_id"),
        "investigation_facility_cycle",
        ["investigation_id"],
        unique=False,
    )
    op.create_table(
        "investigation_funding",
        sa.Column("funding_id", _ID, nullable=False),
        sa.Column("investigation_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["funding_id"],
            ["funding_reference.id"],
            name=op.f("fk_investigation_funding_funding_id_funding_reference"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_investigation_funding_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_investigation_funding")),
        sa.UniqueConstraint(
            "investigation_id",
            "funding_id",
            name=op.f("uq_investigation_funding_investigation_id_funding_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_investigation_funding_funding_id"),
        "investigation_funding",
        ["funding_id"],
        unique=False,
    )
    op.create_table(
        "investigation_group",
        sa.Column("role", sa.String(length=255), nullable=False),
        sa.Column("grouping_id", _ID, nullable=False),
        sa.Column("investigation_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["grouping_id"],
            ["grouping.id"],
            name=op.f("fk_investigation_group_grouping_id_grouping"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_investigation_group_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_investigation_group")),
        sa.UniqueConstraint(
            "grouping_id",
            "investigation_id",
            "role",
            name=op.f("uq_investigation_group_grouping_id_investigation_id_role"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_investigation_group_investigation_id"),
        "investigation_group",
        ["investigation_id"],
        unique=False,
    )
    op.create_table(
        "investigation_instrument",
        sa.Column("instrument_id", _ID, nullable=False),
        sa.Column("investigation_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["instrument_id"],
            ["instrument.id"],
            name=op.f("fk_investigation_instrument_instrument_id_instrument"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_investigation_instrument_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_investigation_instrument")),
        sa.UniqueConstraint(
            "investigation_id",
            "instrument_id",
            name=op.f("uq_investigation_instrument_investigation_id_instrument_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_investigation_instrument_instrument_id"),
        "investigation_instrument",
        ["instrument_id"],
        unique=False,
    )
    op.create_table(
        "investigation_parameter",
        sa.Column("investigation_id", _ID, nullable=False),
        sa.Column("type_id", _ID, nullable=False),
        sa.Column("date_time_value", _MOMENT),
        sa.Column("error", sa.Double()),
        sa.Column("numeric_value", sa.Double()),
        sa.Column("range_bottom", sa.Double()),
        sa.Column("range_top", sa.Double()),
        sa.Column("string_value", sa.String(length=4000)),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_investigation_parameter_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["type_id"],
            ["parameter_type.id"],
            name=op.f("fk_investigation_parameter_type_id_parameter_type"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_investigation_parameter")),
        sa.UniqueConstraint(
            "investigation_id",
            "type_id",
            name=op.f("uq_investigation_parameter_investigation_id_type_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_investigation_parameter_date_time",
        "investigation_parameter",
        ["type_id", "date_time_value", "investigation_id"],
        unique=False,
        postgresql_where=sa.text("date_time_value IS NOT NULL"),
        sqlite_where=sa.text("date_time_value IS NOT NULL"),
    )
    op.create_index(
        "ix_investigation_parameter_numeric",
        "investigation_parameter",
        ["type_id", "numeric_value", "investigation_id"],
        unique=False,
    )
    op.create_index(
        "ix_investigation_parameter_string",
        "investigation_parameter",
        ["type_id", "string_value", "investigation_id"],
        unique=False,
        postgresql_where=sa.text("length(string_value) <= 200"),
        sqlite_where=sa.text("length(string_value) <= 200"),
    )
    op.create_table(
        "investigation_user",
        sa.Column("role", sa.String(length=255), nullable=False),
        sa.Column("investigation_id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_investigation_user_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_.id"],
            name=op.f("fk_investigation_user_user_id_user_"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_investigation_user")),
        sa.UniqueConstraint(
            "user_id",
            "investigation_id",
            "role",
            name=op.f("uq_investigation_user_user_id_investigation_id_role"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_investigation_user_investigation_id"),
        "investigation_user",
        ["investigation_id"],
        unique=False,
    )
    op.create_table(
        "keyword",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("investigation_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_keyword_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keyword")),
        sa.UniqueConstraint(
            "name", "investigation_id", name=op.f("uq_keyword_name_investigation_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_keyword_investigation_id"), "keyword", ["investigation_id"], unique=False
    )
    op.create_table(
        "publication",
        sa.Column("doi", sa.String(length=255)),
        sa.Column("full_reference", sa.String(length=511), nullable=False),
        sa.Column("repository", sa.String(length=255)),
        sa.Column("repository_id", sa.String(length=255)),
        sa.Column("url", sa.String(length=255)),
        sa.Column("investigation_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_publication_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publication")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_publication_investigation_id"), "publication", ["investigation_id"], unique=False
    )
    op.create_table(
        "related_item",
        sa.Column("full_reference", sa.String(length=1023)),
        sa.Column("identifier", sa.String(length=255), nullable=False),
        sa.Column("related_item_type", sa.String(length=255)),
        sa.Column("relation_type", sa.String(length=255), nullable=False),
        sa.Column("title", sa.String(length=255)),
        sa.Column("publication_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["data_publication.id"],
            name=op.f("fk_related_item_publication_id_data_publication"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_related_item")),
        sa.UniqueConstraint(
            "publication_id", "identifier", name=op.f("uq_related_item_publication_id_identifier")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sample",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.String(length=255)),
        sa.Column("investigation_id", _ID, nullable=False),
        sa.Column("type_id", _ID),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_sample_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["type_id"],
            ["sample_type.id"],
            name=op.f("fk_sample_type_id_sample_type"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sample")),
        sa.UniqueConstraint(
            "investigation_id", "name", name=op.f("uq_sample_investigation_id_name")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_sample_type_id"), "sample", ["type_id"], unique=False)
    op.create_table(
        "shift",
        sa.Column("comment", sa.String(length=255)),
        sa.Column("end_date", _MOMENT, nullable=False),
        sa.Column("start_date", _MOMENT, nullable=False),
        sa.Column("instrument_id", _ID),
        sa.Column("investigation_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["instrument_id"],
            ["instrument.id"],
            name=op.f("fk_shift_instrument_id_instrument"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_shift_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shift")),
        sa.UniqueConstraint(
            "investigation_id",
            "start_date",
            "end_date",
            name=op.f("uq_shift_investigation_id_start_date_end_date"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_shift_instrument_id"), "shift", ["instrument_id"], unique=False)
    op.create_table(
        "study_investigation",
        sa.Column("investigation_id", _ID, nullable=False),
        sa.Column("study_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_study_investigation_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["study.id"],
            name=op.f("fk_study_investigation_study_id_study"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_investigation")),
        sa.UniqueConstraint(
            "study_id",
            "investigation_id",
            name=op.f("uq_study_investigation_study_id_investigation_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_study_investigation_investigation_id"),
        "study_investigation",
        ["investigation_id"],
        unique=False,
    )
    op.create_table(
        "subject",
        sa.Column("classification_code", sa.String(length=255)),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.String(length=255)),
        sa.Column("scheme_uri", sa.String(length=255)),
        sa.Column("subject_scheme", sa.String(length=255)),
        sa.Column("value_uri", sa.String(length=255)),
        sa.Column("data_publication_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["data_publication_id"],
            ["data_publication.id"],
            name=op.f("fk_subject_data_publication_id_data_publication"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subject")),
        sa.UniqueConstraint(
            "data_publication_id", "name", name=op.f("uq_subject_data_publication_id_name")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "affiliation",
        sa.Column("full_reference", sa.String(length=1023)),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.String(length=255)),
        sa.Column("user_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["data_publication_user.id"],
            name=op.f("fk_affiliation_user_id_data_publication_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_affiliation")),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_affiliation_user_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dataset",
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("description", sa.String(length=255)),
        sa.Column("doi", sa.String(length=255)),
        sa.Column("end_date", _MOMENT),
        sa.Column("file_count", sa.BigInteger()),
        sa.Column("file_size", sa.BigInteger()),
        sa.Column("location", sa.String(length=511)),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("start_date", _MOMENT),
        sa.Column("investigation_id", _ID, nullable=False),
        sa.Column("sample_id", _ID),
        sa.Column("type_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["investigation_id"],
            ["investigation.id"],
            name=op.f("fk_dataset_investigation_id_investigation"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["sample_id"],
            ["sample.id"],
            name=op.f("fk_dataset_sample_id_sample"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["type_id"],
            ["dataset_type.id"],
            name=op.f("fk_dataset_type_id_dataset_type"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        sa.UniqueConstraint(
            "investigation_id", "name", name=op.f("uq_dataset_investigation_id_name")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_dataset_sample_id"), "dataset", ["sample_id"], unique=False)
    op.create_index("ix_dataset_type_id", "dataset", ["type_id", "id"], unique=False)
    op.create_table(
        "sample_parameter",
        sa.Column("sample_id", _ID, nullable=False),
        sa.Column("type_id", _ID, nullable=False),
        sa.Column("date_time_value", _MOMENT),
        sa.Column("error", sa.Double()),
        sa.Column("numeric_value", sa.Double()),
        sa.Column("range_bottom", sa.Double()),
        sa.Column("range_top", sa.Double()),
        sa.Column("string_value", sa.String(length=4000)),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["sample_id"],
            ["sample.id"],
            name=op.f("fk_sample_parameter_sample_id_sample"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["type_id"],
            ["parameter_type.id"],
            name=op.f("fk_sample_parameter_type_id_parameter_type"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sample_parameter")),
        sa.UniqueConstraint(
            "sample_id", "type_id", name=op.f("uq_sample_parameter_sample_id_type_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_sample_parameter_date_time",
        "sample_parameter",
        ["type_id", "date_time_value", "sample_id"],
        unique=False,
        postgresql_where=sa.text("date_time_value IS NOT NULL"),
        sqlite_where=sa.text("date_time_value IS NOT NULL"),
    )
    op.create_index(
        "ix_sample_parameter_numeric",
        "sample_parameter",
        ["type_id", "numeric_value", "sample_id"],
        unique=False,
    )
    op.create_index(
        "ix_sample_parameter_string",
        "sample_parameter",
        ["type_id", "string_value", "sample_id"],
        unique=False,
        postgresql_where=sa.text("length(string_value) <= 200"),
        sqlite_where=sa.text("length(string_value) <= 200"),
    )
    op.create_table(
        "data_collection_dataset",
        sa.Column("data_collection_id", _ID, nullable=False),
        sa.Column("dataset_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["data_collection_id"],
            ["data_collection.id"],
            name=op.f("fk_data_collection_dataset_data_collection_id_data_collection"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["dataset.id"],
            name=op.f("fk_data_collection_dataset_dataset_id_dataset"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_collection_dataset")),
        sa.UniqueConstraint(
            "data_collection_id",
            "dataset_id",
            name=op.f("uq_data_collection_dataset_data_collection_id_dataset_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_data_collection_dataset_dataset_id"),
        "data_collection_dataset",
        ["dataset_id"],
        unique=False,
    )
    op.create_table(
        "datafile",
        sa.Column("checksum", sa.String(length=255)),
        sa.Column("datafile_create_time", _MOMENT),
        sa.Column("datafile_mod_time", _MOMENT),
        sa.Column("description", sa.String(length=255)),
        sa.Column("doi", sa.String(length=255)),
        sa.Column("file_size", sa.BigInteger()),
        sa.Column("location", sa.String(length=511)),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("datafile_format_id", _ID),
        sa.Column("dataset_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["datafile_format_id"],
            ["datafile_format.id"],
            name=op.f("fk_datafile_datafile_format_id_datafile_format"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["dataset.id"],
            name=op.f("fk_datafile_dataset_id_dataset"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datafile")),
        sa.UniqueConstraint("dataset_id", "name", name=op.f("uq_datafile_dataset_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_datafile_datafile_format_id"), "datafile", ["datafile_format_id"], unique=False
    )
    op.create_table(
        "dataset_instrument",
        sa.Column("dataset_id", _ID, nullable=False),
        sa.Column("instrument_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["dataset.id"],
            name=op.f("fk_dataset_instrument_dataset_id_dataset"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["instrument_id"],
            ["instrument.id"],
            name=op.f("fk_dataset_instrument_instrument_id_instrument"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_instrument")),
        sa.UniqueConstraint(
            "dataset_id",
            "instrument_id",
            name=op.f("uq_dataset_instrument_dataset_id_instrument_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_dataset_instrument_instrument_id"),
        "dataset_instrument",
        ["instrument_id"],
        unique=False,
    )
    op.create_table(
        "dataset_parameter",
        sa.Column("dataset_id", _ID, nullable=False),
        sa.Column("type_id", _ID, nullable=False),
        sa.Column("date_time_value", _MOMENT),
        sa.Column("error", sa.Double()),
        sa.Column("numeric_value", sa.Double()),
        sa.Column("range_bottom", sa.Double()),
        sa.Column("range_top", sa.Double()),
        sa.Column("string_value", sa.String(length=4000)),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["dataset.id"],
            name=op.f("fk_dataset_parameter_dataset_id_dataset"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["type_id"],
            ["parameter_type.id"],
            name=op.f("fk_dataset_parameter_type_id_parameter_type"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_parameter")),
        sa.UniqueConstraint(
            "dataset_id", "type_id", name=op.f("uq_dataset_parameter_dataset_id_type_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_dataset_parameter_date_time",
        "dataset_parameter",
        ["type_id", "date_time_value", "dataset_id"],
        unique=False,
        postgresql_where=sa.text("date_time_value IS NOT NULL"),
        sqlite_where=sa.text("date_time_value IS NOT NULL"),
    )
    op.create_index(
        "ix_dataset_parameter_numeric",
        "dataset_parameter",
        ["type_id", "numeric_value", "dataset_id"],
        unique=False,
    )
    op.create_index(
        "ix_dataset_parameter_string",
        "dataset_parameter",
        ["type_id", "string_value", "dataset_id"],
        unique=False,
        postgresql_where=sa.text("length(string_value) <= 200"),
        sqlite_where=sa.text("length(string_value) <= 200"),
    )
    op.create_table(
        "dataset_technique",
        sa.Column("dataset_id", _ID, nullable=False),
        sa.Column("technique_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["dataset.id"],
            name=op.f("fk_dataset_technique_dataset_id_dataset"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["technique_id"],
            ["technique.id"],
            name=op.f("fk_dataset_technique_technique_id_technique"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_technique")),
        sa.UniqueConstraint(
            "dataset_id", "technique_id", name=op.f("uq_dataset_technique_dataset_id_technique_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_dataset_technique_technique_id"),
        "dataset_technique",
        ["technique_id"],
        unique=False,
    )
    op.create_table(
        "data_collection_datafile",
        sa.Column("data_collection_id", _ID, nullable=False),
        sa.Column("datafile_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["data_collection_id"],
            ["data_collection.id"],
            name=op.f("fk_data_collection_datafile_data_collection_id_data_collection"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["datafile_id"],
            ["datafile.id"],
            name=op.f("fk_data_collection_datafile_datafile_id_datafile"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_collection_datafile")),
        sa.UniqueConstraint(
            "data_collection_id",
            "datafile_id",
            name=op.f("uq_data_collection_datafile_data_collection_id_datafile_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_data_collection_datafile_datafile_id"),
        "data_collection_datafile",
        ["datafile_id"],
        unique=False,
    )
    op.create_table(
        "datafile_parameter",
        sa.Column("datafile_id", _ID, nullable=False),
        sa.Column("type_id", _ID, nullable=False),
        sa.Column("date_time_value", _MOMENT),
        sa.Column("error", sa.Double()),
        sa.Column("numeric_value", sa.Double()),
        sa.Column("range_bottom", sa.Double()),
        sa.Column("range_top", sa.Double()),
        sa.Column("string_value", sa.String(length=4000)),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["datafile_id"],
            ["datafile.id"],
            name=op.f("fk_datafile_parameter_datafile_id_datafile"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["type_id"],
            ["parameter_type.id"],
            name=op.f("fk_datafile_parameter_type_id_parameter_type"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datafile_parameter")),
        sa.UniqueConstraint(
            "datafile_id", "type_id", name=op.f("uq_datafile_parameter_datafile_id_type_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_datafile_parameter_date_time",
        "datafile_parameter",
        ["type_id", "date_time_value", "datafile_id"],
        unique=False,
        postgresql_where=sa.text("date_time_value IS NOT NULL"),
        sqlite_where=sa.text("date_time_value IS NOT NULL"),
    )
    op.create_index(
        "ix_datafile_parameter_numeric",
        "datafile_parameter",
        ["type_id", "numeric_value", "datafile_id"],
        unique=False,
    )
    op.create_index(
        "ix_datafile_parameter_string",
        "datafile_parameter",
        ["type_id", "string_value", "datafile_id"],
        unique=False,
        postgresql_where=sa.text("length(string_value) <= 200"),
        sqlite_where=sa.text("length(string_value) <= 200"),
    )
    op.create_table(
        "related_datafile",
        sa.Column("relation", sa.String(length=255), nullable=False),
        sa.Column("dest_datafile_id", _ID, nullable=False),
        sa.Column("source_datafile_id", _ID, nullable=False),
        *_identity(),
        sa.ForeignKeyConstraint(
            ["dest_datafile_id"],
            ["datafile.id"],
            name=op.f("fk_related_datafile_dest_datafile_id_datafile"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["source_datafile_id"],
            ["datafile.id"],
            name=op.f("fk_related_datafile_source_datafile_id_datafile"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_related_datafile")),
        sa.UniqueConstraint(
            "source_datafile_id",
            "dest_datafile_id",
            name=op.f("uq_related_datafile_source_datafile_id_dest_datafile_id"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_related_datafile_dest_datafile_id"),
        "related_datafile",
        ["dest_datafile_id"],
        unique=False,
    )


def downgrade() -> None:
    """Drop every table."""
    for table in _TABLES:
        op.drop_table(table)
