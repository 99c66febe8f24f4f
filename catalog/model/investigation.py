"""Investigations, their samples, people, shifts and studies."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from catalog.model.base import Base, StudyStatus

if TYPE_CHECKING:
    from catalog.model.dataset import Dataset
    from catalog.model.facility import (
        Facility,
        FacilityCycle,
        Instrument,
        InvestigationType,
        SampleType,
    )
    from catalog.model.parameter import InvestigationParameter, SampleParameter
    from catalog.model.provenance import DataCollectionInvestigation
    from catalog.model.publication import FundingReference
    from catalog.model.user import Grouping, User


class Investigation(Base):
    """A proposal / experiment visit: the container of datasets and samples."""

    __tablename__ = "investigation"
    __table_args__ = (UniqueConstraint("facility_id", "name", "visit_id"),)
    __key__ = ("facility", "name", "visit_id")

    doi: Mapped[str | None] = mapped_column(String(255))
    end_date: Mapped[datetime | None]
    file_count: Mapped[int | None] = mapped_column(BigInteger, default=0)
    file_size: Mapped[int | None] = mapped_column(BigInteger, default=0)
    name: Mapped[str] = mapped_column(String(255))
    release_date: Mapped[datetime | None]
    start_date: Mapped[datetime | None]
    summary: Mapped[str | None] = mapped_column(String(4000))
    title: Mapped[str] = mapped_column(String(255))
    visit_id: Mapped[str] = mapped_column(String(255))
    facility_id: Mapped[int] = mapped_column(ForeignKey("facility.id", ondelete="CASCADE"))
    type_id: Mapped[int] = mapped_column(
        ForeignKey("investigation_type.id", ondelete="CASCADE"), index=True
    )
    facility: Mapped["Facility"] = relationship(
        back_populates="investigations", foreign_keys=[facility_id]
    )
    type: Mapped["InvestigationType"] = relationship(
        back_populates="investigations", foreign_keys=[type_id]
    )
    data_collection_investigations: Mapped[list["DataCollectionInvestigation"]] = relationship(
        back_populates="investigation",
        foreign_keys="DataCollectionInvestigation.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    datasets: Mapped[list["Dataset"]] = relationship(
        back_populates="investigation",
        foreign_keys="Dataset.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    funding_references: Mapped[list["InvestigationFunding"]] = relationship(
        back_populates="investigation",
        foreign_keys="InvestigationFunding.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    investigation_facility_cycles: Mapped[list["InvestigationFacilityCycle"]] = relationship(
        back_populates="investigation",
        foreign_keys="InvestigationFacilityCycle.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    investigation_groups: Mapped[list["InvestigationGroup"]] = relationship(
        back_populates="investigation",
        foreign_keys="InvestigationGroup.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    investigation_instruments: Mapped[list["InvestigationInstrument"]] = relationship(
        back_populates="investigation",
        foreign_keys="InvestigationInstrument.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    investigation_users: Mapped[list["InvestigationUser"]] = relationship(
        back_populates="investigation",
        foreign_keys="InvestigationUser.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    keywords: Mapped[list["Keyword"]] = relationship(
        back_populates="investigation",
        foreign_keys="Keyword.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    parameters: Mapped[list["InvestigationParameter"]] = relationship(
        back_populates="investigation",
        foreign_keys="InvestigationParameter.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    publications: Mapped[list["Publication"]] = relationship(
        back_populates="investigation",
        foreign_keys="Publication.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    samples: Mapped[list["Sample"]] = relationship(
        back_populates="investigation",
        foreign_keys="Sample.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    shifts: Mapped[list["Shift"]] = relationship(
        back_populates="investigation",
        foreign_keys="Shift.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    study_investigations: Mapped[list["StudyInvestigation"]] = relationship(
        back_populates="investigation",
        foreign_keys="StudyInvestigation.investigation_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class InvestigationUser(Base):
    """A user who has a given role in an investigation."""

    __tablename__ = "investigation_user"
    __table_args__ = (UniqueConstraint("user_id", "investigation_id", "role"),)
    __key__ = ("user", "investigation", "role")

    role: Mapped[str] = mapped_column(String(255))
    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE"), index=True
    )
    user_id: Mapped[int] = mapped_column(ForeignKey("user_.id", ondelete="CASCADE"))
    investigation: Mapped["Investigation"] = relationship(
        back_populates="investigation_users", foreign_keys=[investigation_id]
    )
    user: Mapped["User"] = relationship(
        back_populates="investigation_users", foreign_keys=[user_id]
    )


class InvestigationGroup(Base):
    """A user group that has a given role in an investigation."""

    __tablename__ = "investigation_group"
    __table_args__ = (UniqueConstraint("grouping_id", "investigation_id", "role"),)
    __key__ = ("grouping", "investigation", "role")

    role: Mapped[str] = mapped_column(String(255))
    grouping_id: Mapped[int] = mapped_column(ForeignKey("grouping.id", ondelete="CASCADE"))
    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE"), index=True
    )
    grouping: Mapped["Grouping"] = relationship(
        back_populates="investigation_groups", foreign_keys=[grouping_id]
    )
    investigation: Mapped["Investigation"] = relationship(
        back_populates="investigation_groups", foreign_keys=[investigation_id]
    )


class InvestigationInstrument(Base):
    """Link table: instrument allocated to an investigation."""

    __tablename__ = "investigation_instrument"
    __table_args__ = (UniqueConstraint("investigation_id", "instrument_id"),)
    __key__ = ("investigation", "instrument")

    instrument_id: Mapped[int] = mapped_column(
        ForeignKey("instrument.id", ondelete="CASCADE"), index=True
    )
    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE")
    )
    instrument: Mapped["Instrument"] = relationship(
        back_populates="investigation_instruments", foreign_keys=[instrument_id]
    )
    investigation: Mapped["Investigation"] = relationship(
        back_populates="investigation_instruments", foreign_keys=[investigation_id]
    )


class InvestigationFacilityCycle(Base):
    """Link table: facility cycle in which an investigation took place."""

    __tablename__ = "investigation_facility_cycle"
    __table_args__ = (UniqueConstraint("facility_cycle_id", "investigation_id"),)
    __key__ = ("facility_cycle", "investigation")

    facility_cycle_id: Mapped[int] = mapped_column(
        ForeignKey("facility_cycle.id", ondelete="CASCADE")
    )
    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE"), index=True
    )
    facility_cycle: Mapped["FacilityCycle"] = relationship(
        back_populates="investigation_facility_cycles", foreign_keys=[facility_cycle_id]
    )
    investigation: Mapped["Investigation"] = relationship(
        back_populates="investigation_facility_cycles", foreign_keys=[investigation_id]
    )


class InvestigationFunding(Base):
    """Link table between an investigation and a grant."""

    __tablename__ = "investigation_funding"
    __table_args__ = (UniqueConstraint("investigation_id", "funding_id"),)
    __key__ = ("investigation", "funding")

    funding_id: Mapped[int] = mapped_column(
        ForeignKey("funding_reference.id", ondelete="CASCADE"), index=True
    )
    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE")
    )
    funding: Mapped["FundingReference"] = relationship(
        back_populates="investigations", foreign_keys=[funding_id]
    )
    investigation: Mapped["Investigation"] = relationship(
        back_populates="funding_references", foreign_keys=[investigation_id]
    )


class Keyword(Base):
    """A keyword of an investigation."""

    __tablename__ = "keyword"
    __table_args__ = (UniqueConstraint("name", "investigation_id"),)
    __key__ = ("name", "investigation")

    name: Mapped[str] = mapped_column(String(255))
    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE"), index=True
    )
    investigation: Mapped["Investigation"] = relationship(
        back_populates="keywords", foreign_keys=[investigation_id]
    )


class Publication(Base):
    """A literature reference that belongs to an investigation."""

    __tablename__ = "publication"

    doi: Mapped[str | None] = mapped_column(String(255))
    full_reference: Mapped[str] = mapped_column(String(511))
    repository: Mapped[str | None] = mapped_column(String(255))
    repository_id: Mapped[str | None] = mapped_column(String(255))
    url: Mapped[str | None] = mapped_column(String(255))
    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE"), index=True
    )
    investigation: Mapped["Investigation"] = relationship(
        back_populates="publications", foreign_keys=[investigation_id]
    )


class Shift(Base):
    """A time slot in which an investigation was run."""

    __tablename__ = "shift"
    __table_args__ = (UniqueConstraint("investigation_id", "start_date", "end_date"),)
    __key__ = ("investigation", "start_date", "end_date")

    comment: Mapped[str | None] = mapped_column(String(255))
    end_date: Mapped[datetime]
    start_date: Mapped[datetime]
    instrument_id: Mapped[int | None] = mapped_column(
        ForeignKey("instrument.id", ondelete="CASCADE"), index=True
    )
    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE")
    )
    instrument: Mapped["Instrument | None"] = relationship(
        back_populates="shifts", foreign_keys=[instrument_id]
    )
    investigation: Mapped["Investigation"] = relationship(
        back_populates="shifts", foreign_keys=[investigation_id]
    )


class Sample(Base):
    """A specimen used in one investigation."""

    __tablename__ = "sample"
    __table_args__ = (UniqueConstraint("investigation_id", "name"),)
    __key__ = ("investigation", "name")

    name: Mapped[str] = mapped_column(String(255))
    pid: Mapped[str | None] = mapped_column(String(255))
    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE")
    )
    type_id: Mapped[int | None] = mapped_column(
        ForeignKey("sample_type.id", ondelete="CASCADE"), index=True
    )
    investigation: Mapped["Investigation"] = relationship(
        back_populates="samples", foreign_keys=[investigation_id]
    )
    type: Mapped["SampleType | None"] = relationship(
        back_populates="samples", foreign_keys=[type_id]
    )
    datasets: Mapped[list["Dataset"]] = relationship(
        back_populates="sample",
        foreign_keys="Dataset.sample_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    parameters: Mapped[list["SampleParameter"]] = relationship(
        back_populates="sample",
        foreign_keys="SampleParameter.sample_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class Study(Base):
    """A study that groups several investigations."""

    __tablename__ = "study"

    description: Mapped[str | None] = mapped_column(String(4000))
    end_date: Mapped[datetime | None]
    name: Mapped[str] = mapped_column(String(255))
    pid: Mapped[str | None] = mapped_column(String(255))
    start_date: Mapped[datetime | None]
    status: Mapped[StudyStatus | None]
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("user_.id", ondelete="CASCADE"), index=True
    )
    user: Mapped["User | None"] = relationship(back_populates="studies", foreign_keys=[user_id])
    study_investigations: Mapped[list["StudyInvestigation"]] = relationship(
        back_populates="study",
        foreign_keys="StudyInvestigation.study_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class StudyInvestigation(Base):
    """Link table between a study and an investigation."""

    __tablename__ = "study_investigation"
    __table_args__ = (UniqueConstraint("study_id", "investigation_id"),)
    __key__ = ("study", "investigation")

    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE"), index=True
    )
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    investigation: Mapped["Investigation"] = relationship(
        back_populates="study_investigations", foreign_keys=[investigation_id]
    )
    study: Mapped["Study"] = relationship(
        back_populates="study_investigations", foreign_keys=[study_id]
    )
