/* SPDX-License-Identifier: MIT */
/* TLS by OpenSSL under a bufferevent. */
#include "tls.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef CHAT_TLS

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct tls {
	SSL_CTX *context;
};

int tls_init(struct tls **out, const char *ca)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int good = 0;

	if (tls)
		tls->context = SSL_CTX_new(TLS_client_method());
	if (tls && tls->context) {
		SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
		SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_options(tls->context, SSL_OP_IGNORE_UNEXPECTED_EOF);
		good = ca ? SSL_CTX_load_verify_locations(tls->context, ca, NULL)
			  : SSL_CTX_set_default_verify_paths(tls->context);
	}
	if (good == 1) {
		*out = tls;
		return 0;
	}
	fprintf(stderr, "chat: no certificates to trust can be read from %s\n",
		ca ? ca : "the system's store");
	tls_finish(tls);
	return -1;
}

void tls_finish(struct tls *tls)
{
	if (tls)
		SSL_CTX_free(tls->context);
	free(tls);
}

/* The host is a name or an address: a certificate names either, each in its own way. */
static int set_host(SSL *ssl, const char *host)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

struct bufferevent *tls_new(struct tls *tls, struct event_base *base, const char *host)
{
	SSL *ssl = SSL_new(tls->context);
	struct bufferevent *bev = NULL;

	if (ssl && set_host(ssl, host) == 1)
		bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
						     BEV_OPT_CLOSE_ON_FREE |
							     BEV_OPT_DEFER_CALLBACKS);
	if (bev)
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	else
		SSL_free(ssl);
	return bev;
}

const char *tls_why(struct bufferevent *bev)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	unsigned long code = ssl ? bufferevent_get_openssl_error(bev) : 0;
	long verified = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;

	if (verified != X509_V_OK)
		return X509_verify_cert_error_string(verified);
	return code != 0 ? ERR_reason_error_string(code) : NULL;
}

void tls_flush(struct bufferevent *bev)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	struct evbuffer *output = bufferevent_get_output(bev);
	struct evbuffer_iovec piece;

	if (!ssl || !SSL_is_init_finished(ssl))
		return;
	while (evbuffer_peek(output, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
		int sent = SSL_write(ssl, piece.iov_base, (int)piece.iov_len);

		if (sent <= 0)
			break;
		evbuffer_drain(output, (size_t)sent);
	}
	SSL_shutdown(ssl);
	ERR_clear_error();
}

#else

int tls_init(struct tls **out, const char *ca)
{
	(void)out;
	(void)ca;
	fprintf(stderr, "chat: --tls: this chat was built without TLS (meson's option tls)\n");
	return -1;
}

void tls_finish(struct tls *tls)
{
	free(tls);
}

struct bufferevent *tls_new(struct tls *tls, struct event_base *base, const char *host)
{
	(void)tls;
	(void)base;
	(void)host;
	return NULL;
}

const char *tls_why(struct bufferevent *bev)
{
	(void)bev;
	return NULL;
}

void tls_flush(struct bufferevent *bev)
{
	(void)bev;
}

#endif
