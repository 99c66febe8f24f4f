"""The facility and what is defined once for all of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from catalog.model.base import Base, ParameterValueType

if TYPE_CHECKING:
    from catalog.model.datafile import Datafile
    from catalog.model.dataset import Dataset, DatasetInstrument, DatasetTechnique
    from catalog.model.investigation import (
        Investigation,
        InvestigationFacilityCycle,
        InvestigationInstrument,
        Sample,
        Shift,
    )
    from catalog.model.parameter import (
        DataCollectionParameter,
        DatafileParameter,
        DatasetParameter,
        InvestigationParameter,
        SampleParameter,
    )
    from catalog.model.provenance import Application
    from catalog.model.publication import DataPublication, DataPublicationType
    from catalog.model.user import User


class Facility(Base):
    """Root object: an experimental facility that owns nearly everything else."""

    __tablename__ = "facility"
    __table_args__ = (UniqueConstraint("name"),)
    __key__ = ("name",)

    days_until_release: Mapped[int | None]
    description: Mapped[str | None] = mapped_column(String(1023))
    full_name: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    url: Mapped[str | None] = mapped_column(String(255))
    applications: Mapped[list["Application"]] = relationship(
        back_populates="facility",
        foreign_keys="Application.facility_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    data_publication_types: Mapped[list["DataPublicationType"]] = relationship(
        back_populates="facility",
        foreign_keys="DataPublicationType.facility_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    data_publications: Mapped[list["DataPublication"]] = relationship(
        back_populates="facility",
        foreign_keys="DataPublication.facility_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    datafile_formats: Mapped[list["DatafileFormat"]] = relationship(
        back_populates="facility",
        foreign_keys="DatafileFormat.facility_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    dataset_types: Mapped[list["DatasetType"]] = relationship(
        back_populates="facility",
        foreign_keys="DatasetType.facility_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    facility_cycles: Mapped[list["FacilityCycle"]] = relationship(
        back_populates="facility",
        foreign_keys="FacilityCycle.facility_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    instruments: Mapped[list["Instrument"]] = relationship(
        back_populates="facility",
        foreign_keys="Instrument.facility_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    investigation_types: Mapped[list["InvestigationType"]] = relationship(
        back_populates="facility",
        foreign_keys="InvestigationType.facility_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    investigations: Mapped[list["Investigation"]] = relationship(
        back_populates="facility",
        foreign_keys="Investigation.facility_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    parameter_types: Mapped[list["ParameterType"]] = relationship(
        back_populates="facility",
        foreign_keys="ParameterType.facility_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    sample_types: Mapped[list["SampleType"]] = relationship(
        back_populates="facility",
        foreign_keys="SampleType.facility_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class FacilityCycle(Base):
    """A named operating period of a facility."""

    __tablename__ = "facility_cycle"
    __table_args__ = (UniqueConstraint("facility_id", "name"),)
    __key__ = ("facility", "name")

    description: Mapped[str | None] = mapped_column(String(255))
    end_date: Mapped[datetime | None]
    name: Mapped[str] = mapped_column(String(255))
    start_date: Mapped[datetime | None]
    facility_id: Mapped[int] = mapped_column(ForeignKey("facility.id", ondelete="CASCADE"))
    facility: Mapped["Facility"] = relationship(
        back_populates="facility_cycles", foreign_keys=[facility_id]
    )
    investigation_facility_cycles: Mapped[list["InvestigationFacilityCycle"]] = relationship(
        back_populates="facility_cycle",
        foreign_keys="InvestigationFacilityCycle.facility_cycle_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class Instrument(Base):
    """An instrument or beamline of a facility."""

    __tablename__ = "instrument"
    __table_args__ = (UniqueConstraint("facility_id", "name"),)
    __key__ = ("facility", "name")

    description: Mapped[str | None] = mapped_column(String(4000))
    end_date: Mapped[datetime | None]
    full_name: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    pid: Mapped[str | None] = mapped_column(String(255))
    start_date: Mapped[datetime | None]
    type: Mapped[str | None] = mapped_column(String(255))
    url: Mapped[str | None] = mapped_column(String(255))
    facility_id: Mapped[int] = mapped_column(ForeignKey("facility.id", ondelete="CASCADE"))
    facility: Mapped["Facility"] = relationship(
        back_populates="instruments", foreign_keys=[facility_id]
    )
    dataset_instruments: Mapped[list["DatasetInstrument"]] = relationship(
        back_populates="instrument",
        foreign_keys="DatasetInstrument.instrument_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    instrument_scientists: Mapped[list["InstrumentScientist"]] = relationship(
        back_populates="instrument",
        foreign_keys="InstrumentScientist.instrument_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    investigation_instruments: Mapped[list["InvestigationInstrument"]] = relationship(
        back_populates="instrument",
        foreign_keys="InvestigationInstrument.instrument_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    shifts: Mapped[list["Shift"]] = relationship(
        back_populates="instrument",
        foreign_keys="Shift.instrument_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class InstrumentScientist(Base):
    """Link table: user who is responsible for an instrument."""

    __tablename__ = "instrument_scientist"
    __table_args__ = (UniqueConstraint("user_id", "instrument_id"),)
    __key__ = ("user", "instrument")

    instrument_id: Mapped[int] = mapped_column(
        ForeignKey("instrument.id", ondelete="CASCADE"), index=True
    )
    user_id: Mapped[int] = mapped_column(ForeignKey("user_.id", ondelete="CASCADE"))
    instrument: Mapped["Instrument"] = relationship(
        back_populates="instrument_scientists", foreign_keys=[instrument_id]
    )
    user: Mapped["User"] = relationship(
        back_populates="instrument_scientists", foreign_keys=[user_id]
    )


class InvestigationType(Base):
    """Facility-defined kind of investigation."""

    __tablename__ = "investigation_type"
    __table_args__ = (UniqueConstraint("name", "facility_id"),)
    __key__ = ("name", "facility")

    description: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    facility_id: Mapped[int] = mapped_column(
        ForeignKey("facility.id", ondelete="CASCADE"), index=True
    )
    facility: Mapped["Facility"] = relationship(
        back_populates="investigation_types", foreign_keys=[facility_id]
    )
    investigations: Mapped[list["Investigation"]] = relationship(
        back_populates="type",
        foreign_keys="Investigation.type_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class DatasetType(Base):
    """Facility-defined kind of dataset (raw, analysed, ...)."""

    __tablename__ = "dataset_type"
    __table_args__ = (UniqueConstraint("facility_id", "name"),)
    __key__ = ("facility", "name")

    description: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    facility_id: Mapped[int] = mapped_column(ForeignKey("facility.id", ondelete="CASCADE"))
    facility: Mapped["Facility"] = relationship(
        back_populates="dataset_types", foreign_keys=[facility_id]
    )
    datasets: Mapped[list["Dataset"]] = relationship(
        back_populates="type",
        foreign_keys="Dataset.type_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class SampleType(Base):
    """Kind of specimen: name plus molecular formula."""

    __tablename__ = "sample_type"
    __table_args__ = (UniqueConstraint("facility_id", "name", "molecular_formula"),)
    __key__ = ("facility", "name", "molecular_formula")

    molecular_formula: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    safety_information: Mapped[str | None] = mapped_column(String(4000))
    facility_id: Mapped[int] = mapped_column(ForeignKey("facility.id", ondelete="CASCADE"))
    facility: Mapped["Facility"] = relationship(
        back_populates="sample_types", foreign_keys=[facility_id]
    )
    samples: Mapped[list["Sample"]] = relationship(
        back_populates="type",
        foreign_keys="Sample.type_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class DatafileFormat(Base):
    """File format (name plus version) registered by a facility."""

    __tablename__ = "datafile_format"
    __table_args__ = (UniqueConstraint("facility_id", "name", "version"),)
    __key__ = ("facility", "name", "version")

    description: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    type: Mapped[str | None] = mapped_column(String(255))
    version: Mapped[str] = mapped_column(String(255))
    facility_id: Mapped[int] = mapped_column(ForeignKey("facility.id", ondelete="CASCADE"))
    facility: Mapped["Facility"] = relationship(
        back_populates="datafile_formats", foreign_keys=[facility_id]
    )
    datafiles: Mapped[list["Datafile"]] = relationship(
        back_populates="datafile_format",
        foreign_keys="Datafile.datafile_format_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class ParameterType(Base):
    """Definition of a measurable/recordable quantity: name, units, value kind and limits."""

    __tablename__ = "parameter_type"
    __table_args__ = (UniqueConstraint("facility_id", "name", "units"),)
    __key__ = ("facility", "name", "units")

    applicable_to_data_collection: Mapped[bool] = mapped_column(Boolean, default=False)
    applicable_to_datafile: Mapped[bool] = mapped_column(Boolean, default=False)
    applicable_to_dataset: Mapped[bool] = mapped_column(Boolean, default=False)
    applicable_to_investigation: Mapped[bool] = mapped_column(Boolean, default=False)
    applicable_to_sample: Mapped[bool] = mapped_column(Boolean, default=False)
    description: Mapped[str | None] = mapped_column(String(255))
    enforced: Mapped[bool] = mapped_column(Boolean, default=False)
    maximum_numeric_value: Mapped[float | None]
    minimum_numeric_value: Mapped[float | None]
    name: Mapped[str] = mapped_column(String(255))
    pid: Mapped[str | None] = mapped_column(String(255))
    units: Mapped[str] = mapped_column(String(255))
    units_full_name: Mapped[str | None] = mapped_column(String(255))
    value_type: Mapped[ParameterValueType]
    verified: Mapped[bool] = mapped_column(Boolean, default=False)
    facility_id: Mapped[int] = mapped_column(ForeignKey("facility.id", ondelete="CASCADE"))
    facility: Mapped["Facility"] = relationship(
        back_populates="parameter_types", foreign_keys=[facility_id]
    )
    data_collection_parameters: Mapped[list["DataCollectionParameter"]] = relationship(
        back_populates="type",
        foreign_keys="DataCollectionParameter.type_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    datafile_parameters: Mapped[list["DatafileParameter"]] = relationship(
        back_populates="type",
        foreign_keys="DatafileParameter.type_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    dataset_parameters: Mapped[list["DatasetParameter"]] = relationship(
        back_populates="type",
        foreign_keys="DatasetParameter.type_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    investigation_parameters: Mapped[list["InvestigationParameter"]] = relationship(
        back_populates="type",
        foreign_keys="InvestigationParameter.type_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    permissible_string_values: Mapped[list["PermissibleStringValue"]] = relationship(
        back_populates="type",
        foreign_keys="PermissibleStringValue.type_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    sample_parameters: Mapped[list["SampleParameter"]] = relationship(
        back_populates="type",
        foreign_keys="SampleParameter.type_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class PermissibleStringValue(Base):
    """One allowed value for a STRING parameter type whose limits are enforced."""

    __tablename__ = "permissible_string_value"
    __table_args__ = (UniqueConstraint("value", "type_id"),)
    __key__ = ("value", "type")

    value: Mapped[str] = mapped_column(String(255))
    type_id: Mapped[int] = mapped_column(
        ForeignKey("parameter_type.id", ondelete="CASCADE"), index=True
    )
    type: Mapped["ParameterType"] = relationship(
        back_populates="permissible_string_values", foreign_keys=[type_id]
    )


class Technique(Base):
    """An experimental technique, e.g. one term of the PaNET ontology."""

    __tablename__ = "technique"
    __table_args__ = (UniqueConstraint("name"),)
    __key__ = ("name",)

    description: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    pid: Mapped[str | None] = mapped_column(String(255))
    dataset_techniques: Mapped[list["DatasetTechnique"]] = relationship(
        back_populates="technique",
        foreign_keys="DatasetTechnique.technique_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
