#!/usr/bin/python3
"""Writes the LDIF that teaches a Samba forest Exchange's schema.

    ldif.py SCHEMADN OUTDIR

Three files come out, 1-attributes.ldif, 2-classes.ldif and 3-uses.ldif. They are
to be applied one after the other, each in its own run of ldbmodify: a
class cannot be named by another one in the run that adds it.
"""
import base64
import csv
import pathlib
import sys
import uuid

# syntax word -> attributeSyntax, oMSyntax (MS-ADTS 3.1.1.2.2.2)
SYNTAX = {
    "text": ("2.5.5.12", 64),
    "integer": ("2.5.5.9", 2),
    "large": ("2.5.5.16", 65),
    "boolean": ("2.5.5.8", 1),
    "octets": ("2.5.5.10", 4),
    "dn": ("2.5.5.1", 127),
    "sd": ("2.5.5.15", 66),
    "sid": ("2.5.5.17", 4),
    "time": ("2.5.5.11", 24),
}
DN_OBJECT_CLASS = "KwwCh3McAIVK"  # oMObjectClass of Object(DS-DN), 1.3.12.2.1011.28.0.714

# What a mailbox has beyond an address.
MAILBOX = """homeMDB homeMTA msExchHomeServerName msExchMailboxGuid msExchMailboxSecurityDescriptor
    mDBUseDefaults mDBStorageQuota mDBOverQuotaLimit mDBOverHardQuotaLimit publicDelegates altRecipient
    deliverAndRedirect msExchQueryBaseDN msExchUseOAB msExchArchiveGUID msExchArchiveName
    msExchDelegateListLink""".split()

# What an Exchange organisation is made of: name, cn, attributes, and the classes it may
# stand below besides container. The base schema has its root already,
# msExchConfigurationContainer.
ROOT, ORG = "msExchConfigurationContainer", "msExchOrganizationContainer"
CONFIGURATION = [
    (ORG, "ms-Exch-Organization-Container", ["legacyExchangeDN"], [ROOT]),
    ("msExchContainer", "ms-Exch-Container", [], [ROOT, ORG, "msExchContainer", "msExchTransportSettings"]),
    ("msExchAdminGroupContainer", "ms-Exch-Admin-Group-Container", [], [ORG]),
    ("msExchAdminGroup", "ms-Exch-Admin-Group", ["legacyExchangeDN", "displayName"], ["msExchAdminGroupContainer"]),
    ("msExchServersContainer", "ms-Exch-Servers-Container", [], ["msExchAdminGroup"]),
    ("msExchExchangeServer", "ms-Exch-Exchange-Server", ["legacyExchangeDN", "serialNumber", "versionNumber"],
     ["msExchServersContainer"]),
    ("msExchMDBContainer", "ms-Exch-MDB-Container", [], ["msExchAdminGroup"]),
    ("msExchPrivateMDB", "ms-Exch-Private-MDB", ["legacyExchangeDN", "displayName", "msExchOwningServer", "offLineAB", "msExchMailboxRetentionPeriod"],
     ["msExchMDBContainer"]),
    ("msExchTransportSettings", "ms-Exch-Transport-Settings", [], [ORG]),
    ("msExchAcceptedDomain", "ms-Exch-Accepted-Domain", ["msExchAcceptedDomainName", "msExchAcceptedDomainFlags"],
     ["msExchContainer"]),
    ("msExchOAB", "ms-Exch-OAB", ["legacyExchangeDN", "offLineABContainers", "msExchOABDefault"], ["msExchContainer"]),
    ("msExchAddressBookMailboxPolicy", "ms-Exch-Address-Book-Mailbox-Policy",
     ["msExchAddressListsLink", "msExchGlobalAddressListLink", "msExchOfflineAddressBookLink", "msExchAllRoomListLink"],
     ["msExchContainer"]),
    ("msExchDynamicDistributionList", "ms-Exch-Dynamic-Distribution-List",
     ["msExchDynamicDLBaseDN", "msExchDynamicDLFilter", "managedBy"], ["organizationalUnit", "domainDNS"]),
]
# Classes of which something is known: their schemaIDGUID.
CLASS_GUID = {"msExchAcceptedDomain": uuid.UUID("9d71afc6-2c40-4c23-8cd7-e55b7d3129bd")}

# What no recipient carries: it belongs to the organisation alone.
ORGANISATION_ONLY = {name for c in CONFIGURATION for name in c[2]} - {"legacyExchangeDN", "displayName", "managedBy"}


def made_up(name):
    """A GUID for name, always the same."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, name + ".schema.lab.reforest.test")


def made_up_oid(name):
    """An OID for name, formed as Microsoft's oidgen script does."""
    text = made_up(name).hex
    parts = [text[0:4], text[4:8], text[8:12], text[12:16], text[16:20], text[20:26], text[26:32]]
    return "1.2.840.113556.1.8000.2554." + ".".join(str(int(part, 16)) for part in parts)


def encode(guid):
    return base64.b64encode(guid.bytes_le).decode()


def record(dn, kind, lines):
    return "\n".join(["dn: " + dn, "changetype: " + kind, *lines]) + "\n\n"


def read_attributes(path):
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("#")]
    keys = ("name", "cn", "oid", "syntax", "count", "guid", "options")
    return [dict(zip(keys, row)) for row in csv.reader(lines, delimiter="\t")]


def attribute(a, schema):
    options = dict(part.partition("=")[::2] for part in a["options"].split() if part != "-")
    syntax, om = SYNTAX[a["syntax"]]
    guid = made_up(a["name"]) if a["guid"] == "-" else uuid.UUID(a["guid"])
    lines = [
        "objectClass: top",
        "objectClass: attributeSchema",
        "cn: " + a["cn"],
        "lDAPDisplayName: " + a["name"],
        "adminDisplayName: " + a["cn"],
        "attributeID: " + (made_up_oid(a["name"]) if a["oid"] == "-" else a["oid"]),
        "attributeSyntax: " + syntax,
        "oMSyntax: %d" % om,
        "isSingleValued: " + ("TRUE" if a["count"] == "one" else "FALSE"),
        "schemaIDGUID:: " + encode(guid),
        "searchFlags: " + options.get("search", "0"),
        "showInAdvancedViewOnly: TRUE",
    ]
    if "upper" in options:
        lines.append("rangeUpper: " + options["upper"])
    if "link" in options:
        lines.append("linkID: " + options["link"])
    if a["syntax"] == "dn":
        lines.append("oMObjectClass:: " + DN_OBJECT_CLASS)
    if "backlink" in options:
        lines.append("systemFlags: 1")
    if "gc" in options:
        lines.append("isMemberOfPartialAttributeSet: TRUE")
    return record("CN=%s,%s" % (a["cn"], schema), "add", lines)


def new_class(name, cn, category, may, schema, oid=None, guid=None):
    dn = "CN=%s,%s" % (cn, schema)
    lines = [
        "objectClass: top",
        "objectClass: classSchema",
        "cn: " + cn,
        "lDAPDisplayName: " + name,
        "adminDisplayName: " + cn,
        "governsID: " + (oid or made_up_oid(name)),
        "schemaIDGUID:: " + encode(guid or made_up(name)),
        "subClassOf: top",
        "objectClassCategory: %d" % category,
        "rDNAttID: cn",
        "defaultHidingValue: TRUE",
        "defaultObjectCategory: " + dn,
        *["mayContain: " + m for m in may],
    ]
    return record(dn, "add", lines)


def more(cn, attribute_name, values, schema):
    lines = ["add: " + attribute_name, *[attribute_name + ": " + v for v in values], "-"]
    return record("CN=%s,%s" % (cn, schema), "modify", lines)


def classes(attributes, schema):
    backlinks = [a["name"] for a in attributes if "backlink" in a["options"].split()]
    forward = [a["name"] for a in attributes if a["name"] not in backlinks and a["name"] not in ORGANISATION_ONLY]
    out = new_class("msExchMailStorage", "ms-Exch-Mail-Storage", 3, MAILBOX, schema,
                    oid="1.2.840.113556.1.5.7000.62.5", guid=uuid.UUID("03652000-a981-11d2-a9ff-00c04f8eedd8"))
    for name, cn, may, _ in CONFIGURATION:
        out += new_class(name, cn, 1, may, schema, guid=CLASS_GUID.get(name))
    out += more("Mail-Recipient", "mayContain", forward, schema)
    out += more("Top", "mayContain", backlinks, schema)
    return out


def uses(schema):
    """What refers to new classes."""
    out = more("User", "auxiliaryClass", ["msExchMailStorage"], schema)
    out += more("ms-Exch-Dynamic-Distribution-List", "auxiliaryClass", ["mailRecipient"], schema)
    out += more("Address-Book-Container", "possSuperiors", ["msExchContainer"], schema)
    for _, cn, _, above in CONFIGURATION:
        out += more(cn, "possSuperiors", sorted({*above, "container"}), schema)
    return out


def main():
    schema, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    attributes = read_attributes(pathlib.Path(__file__).with_name("attributes.tsv"))
    directory.mkdir(parents=True, exist_ok=True)
    write = lambda name, text: (directory / name).write_text(text, encoding="utf-8")
    write("1-attributes.ldif", "".join(attribute(a, schema) for a in attributes))
    write("2-classes.ldif", classes(attributes, schema))
    write("3-uses.ldif", uses(schema))


main()
