package ldapd

import (
	"strconv"
	"strings"
	"time"
)

// functionality is the functional level of forest and domain: 7 is Windows Server
// 2016 (MS-ADTS 6.1.4.2).
const functionality = "7"

// rootDSE is the entry without a name, which anyone may read (MS-ADTS 3.1.1.3.2).
func (c *conn) rootDSE(req search) found {
	c.store.mu.RLock()
	usn := c.store.usn
	c.store.mu.RUnlock()
	config := c.server.config
	base, configDN := string(config.baseDN()), string(c.server.ConfigDN())
	server := "CN=" + hostLabel(config) + ",CN=Servers,CN=Default-First-Site-Name,CN=Sites," + configDN
	schemaDN := "CN=Schema," + configDN
	var entry found
	add := func(name string, values ...string) {
		if len(req.attrs) > 0 && !containsFold(req.attrs, name) && !containsFold(req.attrs, "*") && !containsFold(req.attrs, "+") {
			return
		}
		a := foundAttr{name: name}
		for _, v := range values {
			a.values = append(a.values, []byte(v))
		}
		entry.attrs = append(entry.attrs, a)
	}
	add("configurationNamingContext", configDN)
	add("currentTime", time.Now().UTC().Format(timeForm))
	add("defaultNamingContext", base)
	add("dnsHostName", config.Host)
	add("domainControllerFunctionality", functionality)
	add("domainFunctionality", functionality)
	add("dsServiceName", "CN=NTDS Settings,"+server)
	add("forestFunctionality", functionality)
	add("highestCommittedUSN", strconv.FormatInt(usn, 10))
	add("isGlobalCatalogReady", "TRUE")
	add("isSynchronized", "TRUE")
	add("ldapServiceName", config.Domain+":"+hostLabel(config)+"$@"+strings.ToUpper(config.Domain))
	add("namingContexts", base, configDN, schemaDN)
	add("rootDomainNamingContext", base)
	add("schemaNamingContext", schemaDN)
	add("serverName", server)
	add("subschemaSubentry", "CN=Aggregate,"+schemaDN)
	add("supportedCapabilities", "1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670", "1.2.840.113556.1.4.1935")
	add("supportedControl", knownControls()...)
	add("supportedExtension", oidStartTLS, oidWhoAmI)
	add("supportedLDAPVersion", "3")
	return entry
}

// hostLabel is the first label of the server's name, in upper case.
func hostLabel(config Config) string {
	label, _, _ := strings.Cut(config.Host, ".")
	return strings.ToUpper(label)
}
