"""S3's operations that the door does not offer, so that a refusal can name what was asked for.

Read off botocore's service model; a test compares them, so that a new version of botocore cannot go unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TABLE = """
POST bucket metadataConfiguration CreateBucketMetadataConfiguration
POST bucket metadataTable CreateBucketMetadataTableConfiguration
GET bucket session CreateSession
DELETE bucket analytics DeleteBucketAnalyticsConfiguration
DELETE bucket cors DeleteBucketCors
DELETE bucket encryption DeleteBucketEncryption
DELETE bucket intelligent-tiering DeleteBucketIntelligentTieringConfiguration
DELETE bucket inventory DeleteBucketInventoryConfiguration
DELETE bucket lifecycle DeleteBucketLifecycle
DELETE bucket metadataConfiguration DeleteBucketMetadataConfiguration
DELETE bucket metadataTable DeleteBucketMetadataTableConfiguration
DELETE bucket metrics DeleteBucketMetricsConfiguration
DELETE bucket ownershipControls DeleteBucketOwnershipControls
DELETE bucket policy DeleteBucketPolicy
DELETE bucket replication DeleteBucketReplication
DELETE bucket website DeleteBucketWebsite
DELETE object annotation DeleteObjectAnnotation
DELETE bucket publicAccessBlock DeletePublicAccessBlock
GET bucket abac GetBucketAbac
GET bucket accelerate GetBucketAccelerateConfiguration
GET bucket acl GetBucketAcl
GET bucket analytics GetBucketAnalyticsConfiguration
GET bucket cors GetBucketCors
GET bucket encryption GetBucketEncryption
GET bucket intelligent-tiering GetBucketIntelligentTieringConfiguration
GET bucket inventory GetBucketInventoryConfiguration
GET bucket lifecycle GetBucketLifecycle
GET bucket logging GetBucketLogging
GET bucket metadataConfiguration GetBucketMetadataConfiguration
GET bucket metadataTable GetBucketMetadataTableConfiguration
GET bucket metrics GetBucketMetricsConfiguration
GET bucket notification GetBucketNotification
GET bucket ownershipControls GetBucketOwnershipControls
GET bucket policy GetBucketPolicy
GET bucket policyStatus GetBucketPolicyStatus
GET bucket replication GetBucketReplication
GET bucket requestPayment GetBucketRequestPayment
GET bucket website GetBucketWebsite
GET object acl GetObjectAcl
GET object annotation GetObjectAnnotation
GET object legal-hold GetObjectLegalHold
GET bucket object-lock GetObjectLockConfiguration
GET object retention GetObjectRetention
GET object torrent GetObjectTorrent
GET bucket publicAccessBlock GetPublicAccessBlock
PUT bucket abac PutBucketAbac
PUT bucket accelerate PutBucketAccelerateConfiguration
PUT bucket acl PutBucketAcl
PUT bucket analytics PutBucketAnalyticsConfiguration
PUT bucket cors PutBucketCors
PUT bucket encryption PutBucketEncryption
PUT bucket intelligent-tiering PutBucketIntelligentTieringConfiguration
PUT bucket inventory PutBucketInventoryConfiguration
PUT bucket lifecycle PutBucketLifecycle
PUT bucket logging PutBucketLogging
PUT bucket metrics PutBucketMetricsConfiguration
PUT bucket notification PutBucketNotification
PUT bucket ownershipControls PutBucketOwnershipControls
PUT bucket policy PutBucketPolicy
PUT bucket replication PutBucketReplication
PUT bucket requestPayment PutBucketRequestPayment
PUT bucket website PutBucketWebsite
PUT object acl PutObjectAcl
PUT object annotation PutObjectAnnotation
PUT object legal-hold PutObjectLegalHold
PUT bucket object-lock PutObjectLockConfiguration
PUT object retention PutObjectRetention
PUT bucket publicAccessBlock PutPublicAccessBlock
PUT object renameObject RenameObject
POST object restore RestoreObject
POST object select select-type SelectObjectContent
PUT bucket metadataAnnotationTable UpdateBucketMetadataAnnotationTableConfiguration
PUT bucket metadataInventoryTable UpdateBucketMetadataInventoryTableConfiguration
PUT bucket metadataJournalTable UpdateBucketMetadataJournalTableConfiguration
PUT object encryption UpdateObjectEncryption
"""
"""Method, level, selecting parameters, name."""


def _parsed(table: str) -> dict[tuple[str, str, frozenset[str]], str]:
    names = {}
    for line in table.split("\n"):
        if line:
            method, level, *selector, name = line.split()
            names[method, level, frozenset(selector)] = name
    return names


NAMES: Final[Mapping[tuple[str, str, frozenset[str]], str]] = _parsed(_TABLE)
