"""Published data: landing-page metadata after DataCite."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from catalog.model.base import Base

if TYPE_CHECKING:
    from catalog.model.facility import Facility
    from catalog.model.investigation import InvestigationFunding
    from catalog.model.provenance import DataCollection
    from catalog.model.user import User


class DataPublication(Base):
    """A published, citable data collection with a persistent identifier."""

    __tablename__ = "data_publication"
    __table_args__ = (UniqueConstraint("facility_id", "pid"),)
    __key__ = ("facility", "pid")

    description: Mapped[str | None] = mapped_column(String(4000))
    internal_id: Mapped[str | None] = mapped_column(String(255))
    pid: Mapped[str] = mapped_column(String(255))
    publication_date: Mapped[datetime | None]
    subject: Mapped[str | None] = mapped_column(String(1023))
    title: Mapped[str] = mapped_column(String(255))
    content_id: Mapped[int] = mapped_column(
        ForeignKey("data_collection.id", ondelete="CASCADE"), index=True
    )
    facility_id: Mapped[int] = mapped_column(ForeignKey("facility.id", ondelete="CASCADE"))
    type_id: Mapped[int | None] = mapped_column(
        ForeignKey("data_publication_type.id", ondelete="CASCADE"), index=True
    )
    content: Mapped["DataCollection"] = relationship(
        back_populates="data_publications", foreign_keys=[content_id]
    )
    facility: Mapped["Facility"] = relationship(
        back_populates="data_publications", foreign_keys=[facility_id]
    )
    type: Mapped["DataPublicationType | None"] = relationship(
        back_populates="data_publications", foreign_keys=[type_id]
    )
    dates: Mapped[list["DataPublicationDate"]] = relationship(
        back_populates="publication",
        foreign_keys="DataPublicationDate.publication_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    funding_references: Mapped[list["DataPublicationFunding"]] = relationship(
        back_populates="data_publication",
        foreign_keys="DataPublicationFunding.data_publication_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    related_items: Mapped[list["RelatedItem"]] = relationship(
        back_populates="publication",
        foreign_keys="RelatedItem.publication_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    subjects: Mapped[list["Subject"]] = relationship(
        back_populates="data_publication",
        foreign_keys="Subject.data_publication_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    users: Mapped[list["DataPublicationUser"]] = relationship(
        back_populates="publication",
        foreign_keys="DataPublicationUser.publication_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class DataPublicationType(Base):
    """Facility-defined class of data publications, for internal sorting and display."""

    __tablename__ = "data_publication_type"
    __table_args__ = (UniqueConstraint("facility_id", "name"),)
    __key__ = ("facility", "name")

    description: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    facility_id: Mapped[int] = mapped_column(ForeignKey("facility.id", ondelete="CASCADE"))
    facility: Mapped["Facility"] = relationship(
        back_populates="data_publication_types", foreign_keys=[facility_id]
    )
    data_publications: Mapped[list["DataPublication"]] = relationship(
        back_populates="type",
        foreign_keys="DataPublication.type_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class DataPublicationDate(Base):
    """A typed date (DataCite style) of a data publication."""

    __tablename__ = "data_publication_date"
    __table_args__ = (UniqueConstraint("publication_id", "date_type"),)
    __key__ = ("publication", "date_type")

    date: Mapped[str] = mapped_column(String(255))
    date_type: Mapped[str] = mapped_column(String(255))
    publication_id: Mapped[int] = mapped_column(
        ForeignKey("data_publication.id", ondelete="CASCADE")
    )
    publication: Mapped["DataPublication"] = relationship(
        back_populates="dates", foreign_keys=[publication_id]
    )


class DataPublicationUser(Base):
    """A person credited in a data publication (creator or other contributor role)."""

    __tablename__ = "data_publication_user"
    __table_args__ = (UniqueConstraint("publication_id", "user_id", "contributor_type"),)
    __key__ = ("publication", "user", "contributor_type")

    contributor_type: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(255))
    family_name: Mapped[str | None] = mapped_column(String(255))
    full_name: Mapped[str | None] = mapped_column(String(255))
    given_name: Mapped[str | None] = mapped_column(String(255))
    order_key: Mapped[str | None] = mapped_column(String(255))
    publication_id: Mapped[int] = mapped_column(
        ForeignKey("data_publication.id", ondelete="CASCADE")
    )
    user_id: Mapped[int] = mapped_column(ForeignKey("user_.id", ondelete="CASCADE"), index=True)
    publication: Mapped["DataPublication"] = relationship(
        back_populates="users", foreign_keys=[publication_id]
    )
    user: Mapped["User"] = relationship(
        back_populates="data_publication_users", foreign_keys=[user_id]
    )
    affiliations: Mapped[list["Affiliation"]] = relationship(
        back_populates="user",
        foreign_keys="Affiliation.user_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class Affiliation(Base):
    """Institution entry attached to one contributor of a data publication."""

    __tablename__ = "affiliation"
    __table_args__ = (UniqueConstraint("user_id", "name"),)
    __key__ = ("user", "name")

    full_reference: Mapped[str | None] = mapped_column(String(1023))
    name: Mapped[str] = mapped_column(String(255))
    pid: Mapped[str | None] = mapped_column(String(255))
    user_id: Mapped[int] = mapped_column(ForeignKey("data_publication_user.id", ondelete="CASCADE"))
    user: Mapped["DataPublicationUser"] = relationship(
        back_populates="affiliations", foreign_keys=[user_id]
    )


class Subject(Base):
    """A controlled-vocabulary subject or keyword of a data publication (DataCite Subject)."""

    __tablename__ = "subject"
    __table_args__ = (UniqueConstraint("data_publication_id", "name"),)
    __key__ = ("data_publication", "name")

    classification_code: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    pid: Mapped[str | None] = mapped_column(String(255))
    scheme_uri: Mapped[str | None] = mapped_column(String(255))
    subject_scheme: Mapped[str | None] = mapped_column(String(255))
    value_uri: Mapped[str | None] = mapped_column(String(255))
    data_publication_id: Mapped[int] = mapped_column(
        ForeignKey("data_publication.id", ondelete="CASCADE")
    )
    data_publication: Mapped["DataPublication"] = relationship(
        back_populates="subjects", foreign_keys=[data_publication_id]
    )


class RelatedItem(Base):
    """Something else (paper, dataset, ...) that a data publication refers to."""

    __tablename__ = "related_item"
    __table_args__ = (UniqueConstraint("publication_id", "identifier"),)
    __key__ = ("publication", "identifier")

    full_reference: Mapped[str | None] = mapped_column(String(1023))
    identifier: Mapped[str] = mapped_column(String(255))
    related_item_type: Mapped[str | None] = mapped_column(String(255))
    relation_type: Mapped[str] = mapped_column(String(255))
    title: Mapped[str | None] = mapped_column(String(255))
    publication_id: Mapped[int] = mapped_column(
        ForeignKey("data_publication.id", ondelete="CASCADE")
    )
    publication: Mapped["DataPublication"] = relationship(
        back_populates="related_items", foreign_keys=[publication_id]
    )


class FundingReference(Base):
    """A grant: funder plus award number."""

    __tablename__ = "funding_reference"
    __table_args__ = (UniqueConstraint("funder_name", "award_number"),)
    __key__ = ("funder_name", "award_number")

    acknowledgement: Mapped[str | None] = mapped_column(String(1023))
    award_number: Mapped[str] = mapped_column(String(255))
    award_title: Mapped[str | None] = mapped_column(String(255))
    funder_identifier: Mapped[str | None] = mapped_column(String(255))
    funder_name: Mapped[str] = mapped_column(String(255))
    investigations: Mapped[list["InvestigationFunding"]] = relationship(
        back_populates="funding",
        foreign_keys="InvestigationFunding.funding_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    publications: Mapped[list["DataPublicationFunding"]] = relationship(
        back_populates="funding",
        foreign_keys="DataPublicationFunding.funding_id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class DataPublicationFunding(Base):
    """Link table between a data publication and the grant that paid for it."""

    __tablename__ = "data_publication_funding"
    __table_args__ = (UniqueConstraint("data_publication_id", "funding_id"),)
    __key__ = ("data_publication", "funding")

    data_publication_id: Mapped[int] = mapped_column(
        ForeignKey("data_publication.id", ondelete="CASCADE")
    )
    funding_id: Mapped[int] = mapped_column(
        ForeignKey("funding_reference.id", ondelete="CASCADE"), index=True
    )
    data_publication: Mapped["DataPublication"] = relationship(
        back_populates="funding_references", foreign_keys=[data_publication_id]
    )
    funding: Mapped["FundingReference"] = relationship(
        back_populates="publications", foreign_keys=[funding_id]
    )
