/* SPDX-License-Identifier: MIT */
/*
 * TLS 1.2 and later. The rest of the server sees a bufferevent like another; what differs is here.
 */
#include "tls.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef CHATD_TLS

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

struct tls {
	SSL_CTX *context;
};

static int tls_refuse(struct setting_error *error, const char *what, const char *file)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	snprintf(error->text, sizeof(error->text), "%s %.300s: %s", what, file,
		 reason ? reason : "cannot be used");
	ERR_clear_error();
	return CHAT_ERR_INVALID;
}

static int tls_load(SSL_CTX *context, const struct config *config, struct setting_error *error)
{
	if (SSL_CTX_use_certificate_chain_file(context, config->tls_certificate) != 1)
		return tls_refuse(error, "tls_certificate", config->tls_certificate);
	if (SSL_CTX_use_PrivateKey_file(context, config->tls_key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(context) != 1)
		return tls_refuse(error, "tls_key", config->tls_key);
	return 0;
}

int tls_create(const struct config *config, struct tls **out, struct setting_error *error)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int err;

	if (tls)
		tls->context = SSL_CTX_new(TLS_server_method());
	if (!tls || !tls->context) {
		tls_destroy(tls);
		snprintf(error->text, sizeof(error->text), "tls: out of memory");
		return CHAT_ERR_NOMEM;
	}
	SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
	/* An idle connection keeps no buffers; a peer that ends without close_notify has ended all the same. */
	SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	err = tls_load(tls->context, config, error);
	if (err != 0) {
		tls_destroy(tls);
		return err;
	}
	*out = tls;
	return 0;
}

void tls_destroy(struct tls *tls)
{
	if (tls)
		SSL_CTX_free(tls->context);
	free(tls);
}

struct bufferevent *tls_accept(const struct tls *tls, struct event_base *base, evutil_socket_t fd)
{
	SSL *ssl = SSL_new(tls->context);
	struct bufferevent *bev;

	if (!ssl)
		return NULL;
	/* Deferred: what SSL has buffered may else call back from within bufferevent_enable. */
	bev = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (bev)
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	else
		SSL_free(ssl);
	return bev;
}

bool tls_is_pending(struct bufferevent *bev)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	return ssl && !SSL_is_init_finished(ssl);
}

void tls_end(struct bufferevent *bev)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	if (ssl && SSL_is_init_finished(ssl) && SSL_shutdown(ssl) < 0)
		ERR_clear_error(); /* the peer is gone, or its window is full: then the socket's end has to do */
}

#else

int tls_create(const struct config *config, struct tls **out, struct setting_error *error)
{
	(void)config;
	(void)out;
	snprintf(error->text, sizeof(error->text),
		 "listen_tls: this chatd was built without TLS (meson's option tls)");
	return CHAT_ERR_INVALID;
}

void tls_destroy(struct tls *tls)
{
	free(tls);
}

struct bufferevent *tls_accept(const struct tls *tls, struct event_base *base, evutil_socket_t fd)
{
	(void)tls;
	(void)base;
	(void)fd;
	return NULL;
}

bool tls_is_pending(struct bufferevent *bev)
{
	(void)bev;
	return false;
}

void tls_end(struct bufferevent *bev)
{
	(void)bev;
}

#endif
