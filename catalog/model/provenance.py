"""What was made from what, by which program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from catalog.model.base import Base

if TYPE_CHECKING:
    from catalog.model.datafile import Datafile
    from catalog.model.dataset import Dataset
    from catalog.model.facility import Facility
    from catalog.model.investigation import Investigation
    from catalog.model.parameter import DataCollectionParameter
    from catalog.model.publication import DataPublication


class Application(Base):
    """A software package (name plus version) known at a facility; jobs refer to it."""

    __tablename__ = "application"
    __table_args__ = (UniqueConstraint("facility_id", "name", "version"),)
    __key__ = ("facility", "name", "version")

    name: Mapped[str] = mapped_column(String(255))
    version: Mapped[str] = mapped_column(String(255))
    facility_id: Mapped[int] = mapped_column(ForeignKey("facility.id", ondelete="CASCADE"))
    facility: Mapped["Facility"] = relationship(
        back_populates="applications", foreign_keys=[facility_id]
    )
    jobs: Mapped[list["Job"]] = relationship(
        back_populates="application",
        foreign_keys="Job.application_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class Job(Base):
    """One run of an application, with optional input and output data collections."""

    __tablename__ = "job"

    arguments: Mapped[str | None] = mapped_column(String(255))
    application_id: Mapped[int] = mapped_column(
        ForeignKey("application.id", ondelete="CASCADE"), index=True
    )
    input_data_collection_id: Mapped[int | None] = mapped_column(
        ForeignKey("data_collection.id", ondelete="CASCADE"), index=True
    )
    output_data_collection_id: Mapped[int | None] = mapped_column(
        ForeignKey("data_collection.id", ondelete="CASCADE"), index=True
    )
    application: Mapped["Application"] = relationship(
        back_populates="jobs", foreign_keys=[application_id]
    )
    input_data_collection: Mapped["DataCollection | None"] = relationship(
        back_populates="jobs_as_input", foreign_keys=[input_data_collection_id]
    )
    output_data_collection: Mapped["DataCollection | None"] = relationship(
        back_populates="jobs_as_output", foreign_keys=[output_data_collection_id]
    )


class DataCollection(Base):
    """A free set of investigations, datasets and datafiles, even of several facilities.

    It has no natural key: its parameters, the jobs that use it or the publication that has it as
    content tell which one it is.
    """

    __tablename__ = "data_collection"

    doi: Mapped[str | None] = mapped_column(String(255))
    data_collection_datafiles: Mapped[list["DataCollectionDatafile"]] = relationship(
        back_populates="data_collection",
        foreign_keys="DataCollectionDatafile.data_collection_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    data_collection_datasets: Mapped[list["DataCollectionDataset"]] = relationship(
        back_populates="data_collection",
        foreign_keys="DataCollectionDataset.data_collection_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    data_collection_investigations: Mapped[list["DataCollectionInvestigation"]] = relationship(
        back_populates="data_collection",
        foreign_keys="DataCollectionInvestigation.data_collection_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    data_publications: Mapped[list["DataPublication"]] = relationship(
        back_populates="content",
        foreign_keys="DataPublication.content_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    jobs_as_input: Mapped[list["Job"]] = relationship(
        back_populates="input_data_collection",
        foreign_keys="Job.input_data_collection_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    jobs_as_output: Mapped[list["Job"]] = relationship(
        back_populates="output_data_collection",
        foreign_keys="Job.output_data_collection_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    parameters: Mapped[list["DataCollectionParameter"]] = relationship(
        back_populates="data_collection",
        foreign_keys="DataCollectionParameter.data_collection_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class DataCollectionInvestigation(Base):
    """Link table: one investigation that belongs to a data collection."""

    __tablename__ = "data_collection_investigation"
    __table_args__ = (UniqueConstraint("data_collection_id", "investigation_id"),)
    __key__ = ("data_collection", "investigation")

    data_collection_id: Mapped[int] = mapped_column(
        ForeignKey("data_collection.id", ondelete="CASCADE")
    )
    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE"), index=True
    )
    data_collection: Mapped["DataCollection"] = relationship(
        back_populates="data_collection_investigations", foreign_keys=[data_collection_id]
    )
    investigation: Mapped["Investigation"] = relationship(
        back_populates="data_collection_investigations", foreign_keys=[investigation_id]
    )


class DataCollectionDataset(Base):
    """Link table: one dataset that belongs to a data collection."""

    __tablename__ = "data_collection_dataset"
    __table_args__ = (UniqueConstraint("data_collection_id", "dataset_id"),)
    __key__ = ("data_collection", "dataset")

    data_collection_id: Mapped[int] = mapped_column(
        ForeignKey("data_collection.id", ondelete="CASCADE")
    )
    dataset_id: Mapped[int] = mapped_column(
        ForeignKey("dataset.id", ondelete="CASCADE"), index=True
    )
    data_collection: Mapped["DataCollection"] = relationship(
        back_populates="data_collection_datasets", foreign_keys=[data_collection_id]
    )
    dataset: Mapped["Dataset"] = relationship(
        back_populates="data_collection_datasets", foreign_keys=[dataset_id]
    )


class DataCollectionDatafile(Base):
    """Link table: one datafile that belongs to a data collection."""

    __tablename__ = "data_collection_datafile"
    __table_args__ = (UniqueConstraint("data_collection_id", "datafile_id"),)
    __key__ = ("data_collection", "datafile")

    data_collection_id: Mapped[int] = mapped_column(
        ForeignKey("data_collection.id", ondelete="CASCADE")
    )
    datafile_id: Mapped[int] = mapped_column(
        ForeignKey("datafile.id", ondelete="CASCADE"), index=True
    )
    data_collection: Mapped["DataCollection"] = relationship(
        back_populates="data_collection_datafiles", foreign_keys=[data_collection_id]
    )
    datafile: Mapped["Datafile"] = relationship(
        back_populates="data_collection_datafiles", foreign_keys=[datafile_id]
    )
